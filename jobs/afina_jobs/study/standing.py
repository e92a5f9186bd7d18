"""How a search stands, seen from its trials alone."""

from collections import Counter
from collections.abc import Sequence
from heapq import nsmallest

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from afina_api.objective import Objective
from afina_api.tuningstatus import TrialCounts
from afina_jobs.study.front import Floats, knee_first, pareto_front
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
        infeasible=states[TrialState.COMPLETE] - len(feasible(trials)) or None,
    )


def ended(counts: TrialCounts) -> int:
    """How many trials have ended, well or not."""
    return counts.total - counts.running


def best(trials: Sequence[FrozenTrial], objectives: Sequence[Objective], limit: int = 1) -> list[FrozenTrial]:
    """The best trials that keep all constraints, best first; of equals the earliest.

    Of several objectives they are of the Pareto front: its knee, then those farthest from the ones before.
    """
    if len(objectives) == 1:
        sign = objectives[0].sign
        return nsmallest(limit, feasible(trials), key=lambda trial: (sign * value_of(trial), trial.number))
    found = front(trials, objectives)
    weights = [objective.weight for objective in objectives]
    return [found[index] for index in knee_first(losses(found, objectives), weights, limit)]


def front(trials: Sequence[FrozenTrial], objectives: Sequence[Objective]) -> list[FrozenTrial]:
    """The Pareto front: the trials that none is better than in every respect, of those that keep all constraints.

    They come by number; of trials with the same values only the first is there. Of one objective it is the best trial.
    """
    if len(objectives) == 1:
        return best(trials, objectives)
    kept = sorted(feasible(trials), key=lambda trial: trial.number)
    return [kept[index] for index in pareto_front(losses(kept, objectives))]


def losses(trials: Sequence[FrozenTrial], objectives: Sequence[Objective]) -> Floats:
    """The values of trials that succeeded, less is better; shape (n, k)."""
    signs = [objective.sign for objective in objectives]
    return np.array([trial.values for trial in trials]).reshape(len(trials), len(signs)) * signs


def in_words(trial: FrozenTrial, objectives: Sequence[Objective]) -> str:
    """The values of a trial that succeeded: `rmse 0.5, latency 3.1`."""
    return ", ".join(f"{one.metric} {value:.6g}" for one, value in zip(objectives, trial.values, strict=True))


def feasible(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that succeeded and keep all constraints."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE and is_feasible(trial)]


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether what the trial measured keeps all constraints."""
    # Optuna reads the constraints from these attributes anew each time; most trials have none.
    return not trial.system_attrs or all(violation <= 0 for violation in trial.constraints.values())


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
