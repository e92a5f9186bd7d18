"""The study as the driver keeps it.

Each method is one step that may be repeated: after a crash in the midst of it, or when the database did not say
whether it had heard. What is true is what the storage says; nothing is kept here that could contradict it.
All calls come from one thread.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial

import optuna
from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from afina_api.beginnings import InitialConfig
from afina_api.execution import slots
from afina_api.parameters import Parameter
from afina_api.reasons import RetryReason, TrialReason
from afina_api.tuningjob import TuningJob
from afina_api.tuningstatus import WarmStart
from afina_jobs.contract import Ending, Failed, Lost, Outcome, Proposal, Pruned, Report, Succeeded, Value, text
from afina_jobs.search.constraints import violations
from afina_jobs.search.first import GivenFirst
from afina_jobs.search.grid import GridSampler
from afina_jobs.search.jointpruner import JointPruner
from afina_jobs.search.past import History, Past
from afina_jobs.search.population import origin_of
from afina_jobs.search.pruners import pruner_for
from afina_jobs.search.samplers import sampler_for
from afina_jobs.search.space import SearchSpace
from afina_jobs.study.opening import IDENTITY, SEED, open_study, settle
from afina_jobs.study.reports import record, reports_of
from afina_jobs.study.retries import ATTEMPTS, MAX_DEATHS, RETRIES, given_up, in_words, retries_of, why_again
from afina_jobs.study.storage import patiently

REASON = "afina:reason"
MESSAGE = "afina:message"
METRICS = "afina:metrics"
_SECONDS = "afina:seconds"
_HISTORY = "afina:history"

MAX_REPORTS = 10_000
"""Intermediate values of one trial that are kept."""
_INTERRUPTED = Failed(
    TrialReason.INTERRUPTED,
    f"the driver died {MAX_DEATHS + 1} times while this trial ran;"
    " if its pod was OOMKilled, raise the memory of its resources",
)


@dataclass
class _Running:
    trial: optuna.Trial
    steps: set[int]
    alone: bool
    """No other may begin beside it."""
    had_company: bool
    """Others have run beside it."""


class Ledger:
    """Proposes trials, records what becomes of them, and survives its process."""

    def __init__(
        self,
        storage: RDBStorage,
        job: TuningJob,
        earlier: Callable[[], Sequence[Past]] = list[Past],
        *,
        exclusive: bool = False,
    ) -> None:
        """Open the job's study, or begin it: then it is asked for the earlier searches.

        Exclusive: nobody but this study runs trials in the pod, so that one may be run alone.

        Raises:
            SpecChangedError: the study is of another spec.
            ModuleNotFoundError: the algorithm needs a package that is not installed.
            StorageFullError: there is no room left.
            ConstraintError: a constraint cannot be evaluated, or no combination of a grid keeps them all.
        """
        self._storage = storage
        self._job = job
        self._limits = [constraint for constraint in job.spec.constraints if constraint.metric]
        self._study = patiently(lambda: open_study(storage, job))
        self.seed: int = self._study.user_attrs[SEED]
        """The seed of the search: the spec's, or one drawn when the study began."""
        self.identity: str = self._study.user_attrs[IDENTITY]
        """Tells this study from every other, also from one of the same name elsewhere."""
        space = SearchSpace(job.spec.parameters, job.spec.constraints)
        self._given = [_values(config) for config in job.spec.initial_configs]
        space.refuse(self._given)
        self._history = History(self._earlier(earlier, space))
        self.combinations: float = math.inf
        """How many sets of parameters there are to try; infinite for all algorithms but Grid."""
        self._search_in(job.spec.parameters, space)
        several, pruner = len(job.spec.objectives) > 1, pruner_for(job.spec.pruning)
        self._joint = JointPruner(pruner, job.spec.objectives) if several and job.spec.pruning else None
        self._study.pruner = pruner_for(None) if several else pruner
        self._running: dict[int, _Running] = {}
        parallel, workers = job.spec.budget.parallel_trials, job.spec.execution.workers
        self._share_driver = exclusive and workers == 0
        self._share_memory = exclusive and (workers == 0 or slots(parallel, workers) > 1)

    def _search_in(self, parameters: Sequence[Parameter], space: SearchSpace) -> None:
        sampler = sampler_for(self._job.spec.algorithm, parameters, space, self.seed, self._history)
        self.combinations = sampler.size if isinstance(sampler, GridSampler) else math.inf
        patiently(lambda: settle(self._study, self._storage, parameters, space.distributions))
        self._study.sampler = GivenFirst(sampler, self._given) if self._given else sampler
        self._parameters, self._space = parameters, space

    def widen(self, parameters: Sequence[Parameter]) -> None:
        """Search in these from the next trial on, which are those so far or have grown from them."""
        if parameters != self._parameters:
            self._search_in(parameters, SearchSpace(parameters, self._job.spec.constraints))

    def _earlier(self, earlier: Callable[[], Sequence[Past]], space: SearchSpace) -> list[Past]:
        """What the study began with: it goes on with the same, whatever becomes of the earlier searches."""
        if _HISTORY not in self._study.user_attrs:
            read = [asdict(past.in_space(space.distributions)) for past in earlier()]
            patiently(lambda: self._study.set_user_attr(_HISTORY, read))
        return [Past(**kept) for kept in patiently(lambda: self._study.user_attrs)[_HISTORY]]

    @property
    def warm_start(self) -> WarmStart | None:
        """What the earlier searches are good for; None where the spec names none."""
        if not self._history.trials:
            return None
        return WarmStart(trials=self._history.trials, agreement=self._history.agreement)

    @property
    def study(self) -> Study:
        """The study, to read."""
        return self._study

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number. They may be read in any thread and changed in none."""
        return patiently(self._trials)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def begin_trial(self, limit: float) -> Proposal | None:
        """The next trial to run: one that is to be run again, else a new one, unless there are `limit`.

        None also while one runs alone, or waits for the others' end to do so. All of its parameters are stored when
        this returns.
        """
        return patiently(lambda: self._begin_trial(limit))

    def _begin_trial(self, limit: float) -> Proposal | None:
        trials = self._trials()
        waiting = self._waiting(trials)
        alone = next(filter(self._runs_alone, waiting), None)
        if any(one.alone for one in self._running.values()) or (alone and self._running):
            return None
        again = alone or next(iter(waiting), None)
        if again is None and len(trials) >= limit:
            return None
        trial = optuna.Trial(self._study, again._trial_id) if again else self._study.ask()
        params = self._space.suggest(trial)
        trial.set_user_attr(ATTEMPTS, trial.user_attrs.get(ATTEMPTS, 0) + 1)
        known = reports_of(again) if again else ()
        for other in self._running.values():
            other.had_company = True
        self._running[trial.number] = _Running(trial, set(known), alone is not None, bool(self._running))
        origin = origin_of(trial)
        return Proposal(trial.number, params, origin.parent if origin else None)

    def _waiting(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The trials to be run again, but for those that are given up."""
        found = [one for one in trials if one.state == TrialState.RUNNING and one.number not in self._running]
        for frozen in found:
            if frozen.user_attrs.get(ATTEMPTS, 0) > MAX_DEATHS:
                self._tell(optuna.Trial(self._study, frozen._trial_id), _INTERRUPTED)
        return [one for one in found if one.user_attrs.get(ATTEMPTS, 0) <= MAX_DEATHS]

    def _runs_alone(self, waiting: FrozenTrial) -> bool:
        """Whether it has lacked memory, or may be what the driver has died of: no other shall go down with it."""
        lacked = RetryReason.OUT_OF_MEMORY in waiting.user_attrs.get(RETRIES, {})
        return lacked or (self._share_driver and waiting.user_attrs.get(ATTEMPTS, 0) >= MAX_DEATHS)

    def report(self, number: int, report: Report) -> bool:
        """Record intermediate values, and say whether the trial should be ended for them.

        The first of a step count; those beyond MAX_REPORTS are dropped.
        """
        running = self._running[number]
        if report.step in running.steps or len(running.steps) >= MAX_REPORTS:
            return False
        patiently(lambda: record(running.trial, report))
        running.steps.add(report.step)
        if self._joint:
            return self._joint.prune(self.trials(), number)
        return len(report.values) == 1 and patiently(running.trial.should_prune)

    def retry(self, number: int, ending: Failed | Lost) -> RetryReason | None:
        """Why a trial that ended so is run again, which then is recorded; None where it is not."""
        running = self._running[number]
        why = why_again(ending, running.trial.user_attrs, had_company=running.had_company and self._share_memory)
        if why:
            _hand_over(running.trial, why)
            del self._running[number]
        return why

    def end_trial(self, number: int, ending: Ending) -> None:
        """Record how a trial ended."""
        outcome = given_up(ending) if isinstance(ending, Lost) else ending
        patiently(lambda: self._tell(self._running[number].trial, outcome))
        del self._running[number]

    def end_all(self, outcome: Outcome) -> None:
        """Record that every trial that still runs ended so."""
        for frozen in self.trials():
            if frozen.state == TrialState.RUNNING:
                trial = optuna.Trial(self._study, frozen._trial_id)
                patiently(partial(self._tell, trial, outcome))
        self._running.clear()

    def _tell(self, trial: optuna.Trial, outcome: Outcome) -> None:
        with suppress(UpdateFinishedTrialError):  # it was told, and the answer lost
            self._tell_once(trial, outcome)

    def _tell_once(self, trial: optuna.Trial, outcome: Outcome) -> None:
        outcome = self._checked(outcome)
        match outcome:
            case Succeeded():
                for name, violation in violations(self._limits, outcome.metrics):
                    trial.set_constraint(name, violation)
                if len(outcome.metrics) > len(outcome.values):
                    trial.set_user_attr(METRICS, dict(outcome.metrics))
                self._study.tell(trial, outcome.values, skip_if_finished=True)
            case Failed():
                trial.set_user_attr(REASON, str(outcome.reason))
                retries = in_words(retries_of(trial.user_attrs))
                again = f"run again for {retries}, then: " if retries else ""
                trial.set_user_attr(MESSAGE, text(again + outcome.message))
                self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            case Pruned():
                trial.set_user_attr(MESSAGE, outcome.message)
                self._study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)

    def _checked(self, outcome: Outcome) -> Outcome:
        """The outcome, or the failure to report a metric that a constraint limits."""
        for limit in self._limits:
            if isinstance(outcome, Succeeded) and limit.metric not in outcome.metrics:
                message = f"it reported no finite value of {limit.metric!r}, which the constraint {limit.name} limits"
                return Failed(TrialReason.METRIC_MISSING, message)
        return outcome

    def release_all(self) -> None:
        """Leave the running trials to the next driver, without counting this one's end as a death."""
        for running in self._running.values():
            _hand_over(running.trial, RetryReason.DRIVER_STOPPED)
        self._running.clear()

    def close(self) -> None:
        """Let go of the database. All is in its one file then."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def seconds(self) -> float:
        """Seconds of search that the drivers of this study have recorded."""
        found: float = patiently(lambda: self._study.user_attrs).get(_SECONDS, 0.0)
        return found

    def record_seconds(self, seconds: float) -> None:
        """Record the seconds of search, those of earlier drivers included."""
        patiently(lambda: self._study.set_user_attr(_SECONDS, seconds))


def _hand_over(trial: optuna.Trial, why: RetryReason) -> None:
    """Leave a trial to be run again. Why, is recorded first, so that a kill lets nobody forget it."""
    known, attempts = trial.user_attrs.get(RETRIES, {}), trial.user_attrs[ATTEMPTS] - 1
    retries = known | {str(why): known.get(why, 0) + 1}
    patiently(lambda: trial.set_user_attr(RETRIES, retries))
    patiently(lambda: trial.set_user_attr(ATTEMPTS, attempts))


def _values(config: InitialConfig) -> dict[str, Value]:
    return {pair.name: pair.value for pair in config.params if pair.value is not None}
