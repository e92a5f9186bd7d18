"""When a search is over, and why. Decides from what it is given; reads no clock and no storage."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from afina_api.reasons import Reason
from afina_api.tuningjob import Budget, Objective, TrialCounts
from afina_jobs.study.standing import best, count, ended, failure_text, last_failure, value_of

_SUCCESSES = (Reason.MAX_TRIALS_REACHED, Reason.TARGET_REACHED, Reason.TIMEOUT_REACHED, Reason.SPACE_EXHAUSTED)


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
    trials: Sequence[FrozenTrial], objective: Objective, budget: Budget, *, seconds: float, combinations: float
) -> Verdict | None:
    """The end of the search, or None while it goes on.

    Args:
        trials: all trials, the running ones too.
        objective: what is better, and the target.
        budget: when the search is over.
        seconds: how long it has searched.
        combinations: how many sets of parameters there are to try; infinite for all algorithms but Grid.
    """
    counts = count(trials)
    leader = next(iter(best(trials, objective)), None)
    if leader and _reaches(value_of(leader), objective):
        found = f"{objective.metric} {value_of(leader):.6g} of trial {leader.number}"
        return Verdict(Reason.TARGET_REACHED, f"{found} reaches the target {objective.target:.6g}")
    if counts.failed > budget.max_failed_trials:
        why = f"failed trials: {counts.failed}, more than budget.maxFailedTrials {budget.max_failed_trials}"
        return Verdict(Reason.TOO_MANY_FAILED_TRIALS, why + _failure(trials))
    spent = _spent(counts, budget, seconds, combinations)
    if spent is None or leader:
        return spent
    why = f"{spent.message}, but no trial has a value ({counts.failed} failed, {counts.pruned} were pruned)"
    return Verdict(Reason.NO_TRIAL_SUCCEEDED, why + _failure(trials))


def _reaches(value: float, objective: Objective) -> bool:
    if objective.target is None:
        return False
    return value <= objective.target if objective.goal == "Minimize" else value >= objective.target


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
