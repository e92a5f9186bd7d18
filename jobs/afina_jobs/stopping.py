"""When a search is over, and why. Decides from what it is given; reads no clock and no storage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_api.reasons import Reason
from afina_api.tuningstatus import TrialCounts
from afina_jobs.study.standing import count, ended, failure_text, front, in_words, last_failure

_SUCCESSES = (
    Reason.MAX_TRIALS_REACHED,
    Reason.TARGET_REACHED,
    Reason.TIMEOUT_REACHED,
    Reason.SPACE_EXHAUSTED,
    Reason.NO_IMPROVEMENT,
    Reason.REGRET_ACCEPTABLE,
)


@dataclass(frozen=True)
class Verdict:
    """The end of a search."""

    reason: Reason
    message: str

    @property
    def succeeded(self) -> bool:
        """Whether the job is a success."""
        return self.reason in _SUCCESSES


def verdict(
    trials: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    budget: Budget,
    *,
    seconds: float,
    combinations: float,
    regret: float = math.inf,
) -> Verdict | None:
    """The end of the search, or None while it goes on.

    Args:
        trials: all trials, the running ones too.
        objectives: what is better, and the targets.
        budget: when the search is over.
        seconds: how long it has searched.
        combinations: how many sets of parameters there are to try; infinite for all algorithms but Grid.
        regret: how far the best value is, at most, from the best that there is; infinite where it is not known.
    """
    counts = count(trials)
    leaders = front(trials, objectives)
    for leader in leaders:
        if _reaches(leader, objectives):
            found = f"{in_words(leader, objectives)} of trial {leader.number}"
            return Verdict(Reason.TARGET_REACHED, f"{found} reaches {_targets(objectives)}")
    if counts.failed > budget.max_failed_trials:
        why = f"failed trials: {counts.failed}, more than budget.maxFailedTrials {budget.max_failed_trials}"
        return Verdict(Reason.TOO_MANY_FAILED_TRIALS, why + _failure(trials))
    enough = _good_enough(leaders, trials, budget, regret) if leaders else None
    if enough:
        return enough
    spent = _spent(counts, budget, seconds, combinations)
    if spent is None or leaders:
        return spent
    states = f"{counts.failed} failed, {counts.pruned} were pruned, {counts.infeasible or 0} break a constraint"
    why = f"{spent.message}, but no trial has a value that counts ({states})"
    return Verdict(Reason.NO_TRIAL_SUCCEEDED, why + _failure(trials))


def _reaches(trial: FrozenTrial, objectives: Sequence[Objective]) -> bool:
    """Whether it is at least as good as all targets that there are, and there is one."""
    aims = [(value, one) for value, one in zip(trial.values, objectives, strict=True) if one.target is not None]
    return bool(aims) and all(
        one.sign * value <= one.sign * one.target for value, one in aims if one.target is not None
    )


def _targets(objectives: Sequence[Objective]) -> str:
    if len(objectives) == 1:
        return f"the target {objectives[0].target:.6g}"
    given = (f"{one.metric} {one.target:.6g}" for one in objectives if one.target is not None)
    return f"all targets: {', '.join(given)}"


def _good_enough(
    leaders: Sequence[FrozenTrial], trials: Sequence[FrozenTrial], budget: Budget, regret: float
) -> Verdict | None:
    if budget.acceptable_regret is not None and regret <= budget.acceptable_regret:
        found = f"no trial is likely to be better than trial {leaders[0].number} by more than {regret:.3g}"
        return Verdict(Reason.REGRET_ACCEPTABLE, f"{found}; budget.acceptableRegret is {budget.acceptable_regret:.3g}")
    patience = budget.max_trials_without_improvement
    if patience is None:
        return None
    # What joined the front last is still there, or was replaced by what joined it later.
    last = max(leaders, key=_end)
    joined = _end(last)
    since = sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and _end(trial) > joined for trial in trials)
    if since >= patience:
        done = "were not better" if len(last.values) == 1 else "did not change the Pareto front"
        return Verdict(Reason.NO_IMPROVEMENT, f"{since} trials since trial {last.number} {done}")
    return None


def _end(trial: FrozenTrial) -> tuple[datetime, int]:
    return trial.datetime_complete or datetime.min, trial.number  # noqa: DTZ901 - Optuna's are naive


def _spent(counts: TrialCounts, budget: Budget, seconds: float, combinations: float) -> Verdict | None:
    if budget.timeout_seconds is not None and seconds >= budget.timeout_seconds:
        return Verdict(Reason.TIMEOUT_REACHED, f"budget.timeoutSeconds {budget.timeout_seconds} have passed")
    if ended(counts) >= budget.max_trials:
        return Verdict(Reason.MAX_TRIALS_REACHED, f"{ended(counts)} trials have ended")
    if ended(counts) >= combinations:
        return Verdict(Reason.SPACE_EXHAUSTED, f"all {combinations:.0f} combinations of the grid have been tried")
    return None


def _failure(trials: Sequence[FrozenTrial]) -> str:
    failed = last_failure(trials)
    return f"; the last, trial {failed.number}: {failure_text(failed)}" if failed else ""
