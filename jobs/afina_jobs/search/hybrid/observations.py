"""What a study says so far, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from afina_jobs.search.hybrid.conditions import Conditions, Declared
from afina_jobs.search.hybrid.space import Floats, UnitSpace


@dataclass(frozen=True)
class Observations:
    """The trials that ended, and those that run."""

    points: Floats
    """Of the trials that ended; shape (n, d)."""
    values: Floats
    """Their objectives, smaller is better; shape (n, k)."""
    violations: Floats
    """Their constraints, above 0 where violated; shape (n, c)."""
    pending: Floats
    """Of the trials that run, but for the one that asks; shape (m, d)."""
    conditions: Conditions
    """Which parameters a point has."""


def observe(
    study: Study, asking: FrozenTrial | None, space: UnitSpace, declared: Declared | None = None
) -> Observations:
    """Read a study. Conditions that were not declared are learned.

    A trial that failed counts as bad as the worst. One that was pruned counts as its last intermediate value, but no
    better than the median: what pruned it compared it with others at the same step, which no other trial's value is.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    lost = [trial for trial in trials if trial.state in (TrialState.PRUNED, TrialState.FAIL)] if complete else []
    mine = asking.number if asking else None
    running = [trial for trial in trials if trial.state == TrialState.RUNNING and trial.number != mine]
    signs = np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions])
    known = _finite(np.array([trial.values for trial in complete]).reshape(len(complete), len(signs)) * signs)
    values = np.array([*known, *(_of_lost(trial, known, signs) for trial in lost)]).reshape(-1, len(signs))
    params = [trial.params for trial in (*complete, *lost)]
    points = space.encode_all(params)
    return Observations(
        points=points,
        values=values,
        violations=_violations((*complete, *lost)),
        conditions=Conditions.of(space, points, space.lacking(params), declared),
        pending=space.encode_all([trial.params for trial in running]),
    )


def _of_lost(trial: FrozenTrial, known: Floats, signs: Floats) -> Floats:
    if trial.state == TrialState.FAIL:
        worst: Floats = known.max(axis=0)
        return worst
    median: Floats = np.median(known, axis=0)
    if trial.last_step is None or len(signs) > 1:
        return median
    last = _finite(np.append(known, trial.intermediate_values[trial.last_step] * signs))[-1:]
    return np.maximum(median, last)


def _finite(values: Floats) -> Floats:
    """Infinite values and those that are none as the nearest that there is; all zero where there is none."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    return np.nan_to_num(values, nan=high, posinf=high, neginf=low)


def _violations(trials: Sequence[FrozenTrial]) -> Floats:
    """A trial that does not tell a constraint counts as its mean."""
    names = sorted({name for trial in trials for name in trial.constraints})
    table = np.array([[trial.constraints.get(name, np.nan) for name in names] for trial in trials])
    table = table.reshape(len(trials), len(names))
    return np.where(np.isnan(table), np.nanmean(table, axis=0) if len(names) else 0.0, table)
