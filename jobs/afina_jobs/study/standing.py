"""How a search stands, seen from its trials alone."""

from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from afina_api.tuningjob import Objective, TrialCounts
from afina_jobs.study.ledger import MESSAGE, REASON


def count(trials: Sequence[FrozenTrial]) -> TrialCounts:
    """How many trials are in which state."""
    states = Counter(trial.state for trial in trials)
    return TrialCounts(
        total=len(trials),
        running=states[TrialState.RUNNING],
        succeeded=states[TrialState.COMPLETE],
        failed=states[TrialState.FAIL],
        pruned=states[TrialState.PRUNED],
        infeasible=sum(trial.state == TrialState.COMPLETE and not is_feasible(trial) for trial in trials) or None,
    )


def ended(counts: TrialCounts) -> int:
    """How many trials have ended, well or not."""
    return counts.total - counts.running


def best(trials: Sequence[FrozenTrial], objective: Objective, limit: int = 1) -> list[FrozenTrial]:
    """The best trials that keep all constraints, best first; of equals the earliest."""
    sign = 1 if objective.goal == "Minimize" else -1
    feasible = [trial for trial in trials if trial.state == TrialState.COMPLETE and is_feasible(trial)]
    return sorted(feasible, key=lambda trial: (sign * value_of(trial), trial.number))[:limit]


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether what the trial measured keeps all constraints."""
    return all(violation <= 0 for violation in trial.constraints.values())


def value_of(trial: FrozenTrial) -> float:
    """The objective's value of a trial that succeeded."""
    if trial.value is None:
        raise ValueError(f"trial {trial.number} has no value")
    return trial.value


def last_failure(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial that failed last."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    return max(failed, key=lambda trial: (str(trial.datetime_complete), trial.number), default=None)


def failure_text(trial: FrozenTrial) -> str:
    """Why a trial failed, in one line."""
    return f"{trial.user_attrs.get(REASON, '')}: {trial.user_attrs.get(MESSAGE, '')}"
