"""When a search is over, and why. Decides from what it is given; reads no clock and no storage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from afina_api.reasons import Reason
from afina_api.tuningjob import Budget, Objective, TrialCounts
from afina_jobs.study.standing import best, count, ended, failure_text, last_failure, value_of

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
    objective: Objective,
    budget: Budget,
    *,
    seconds: float,
    combinations: float,
    regret: float = math.inf,
) -> Verdict | None:
    """The end of the search, or None while it goes on.

    Args:
        trials: all trials, the running ones too.
        objective: what is better, and the target.
        budget: when the search is over.
        seconds: how long it has searched.
        combinations: how many sets of parameters there are to try; infinite for all algorithms but Grid.
        regret: how far the best value is, at most, from the best that there is; infinite where it is not known.
    """
    counts = count(trials)
    leader = next(iter(best(trials, objective)), None)
    if leader and _reaches(value_of(leader), objective):
        found = f"{objective.metric} {value_of(leader):.6g} of trial {leader.number}"
        return Verdict(Reason.TARGET_REACHED, f"{found} reaches the target {objective.target:.6g}")
    if counts.failed > budget.max_failed_trials:
        why = f"failed trials: {counts.failed}, more than budget.maxFailedTrials {budget.max_failed_trials}"
        return Verdict(Reason.TOO_MANY_FAILED_TRIALS, why + _failure(trials))
    enough = _good_enough(leader, trials, budget, regret) if leader else None
    if enough:
        return enough
    spent = _spent(counts, budget, seconds, combinations)
    if spent is None or leader:
        return spent
    states = f"{counts.failed} failed, {counts.pruned} were pruned, {counts.infeasible or 0} break a constraint"
    why = f"{spent.message}, but no trial has a value that counts ({states})"
    return Verdict(Reason.NO_TRIAL_SUCCEEDED, why + _failure(trials))


def _reaches(value: float, objective: Objective) -> bool:
    if objective.target is None:
        return False
    return value <= objective.target if objective.goal == "Minimize" else value >= objective.target


def _good_enough(leader: FrozenTrial, trials: Sequence[FrozenTrial], budget: Budget, regret: float) -> Verdict | None:
    if budget.acceptable_regret is not None and regret <= budget.acceptable_regret:
        found = f"no trial is likely to be better than trial {leader.number} by more than {regret:.3g}"
        return Verdict(Reason.REGRET_ACCEPTABLE, f"{found}; budget.acceptableRegret is {budget.acceptable_regret:.3g}")
    patience = budget.max_trials_without_improvement
    since = _trials_since(leader, trials)
    if patience is not None and since >= patience:
        return Verdict(Reason.NO_IMPROVEMENT, f"{since} trials since trial {leader.number} were not better")
    return None


def _trials_since(leader: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """How many trials ended after the leader did, and not by failing."""
    return sum(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        and (str(trial.datetime_complete), trial.number) > (str(leader.datetime_complete), leader.number)
        for trial in trials
    )


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
