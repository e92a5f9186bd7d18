"""Pruning for several objectives: a trial is ended that looks bad from every side."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from afina_api.objective import Objective
from afina_jobs.study.front import Floats
from afina_jobs.study.reports import reports_of


class JointPruner:
    """Asks a pruner for one objective about each objective alone, and about their weighted mean.

    Optuna's pruners know studies of one objective only. So each side is a study in memory, which has of each trial that
    succeeded that side's values. A trial is pruned where the pruner would end it on every side: what is good in one
    objective stays, and so does what is good in none but a better compromise than most. In the mean, each objective is
    divided by the range of what was reported of it, so that units do not matter.

    It keeps nothing that the trials do not tell, so that another process decides the same.
    """

    def __init__(self, pruner: BasePruner, objectives: Sequence[Objective]) -> None:
        """The pruner must keep nothing in its study."""
        self._pruner = pruner
        self._goals = [StudyDirection[objective.goal.upper()] for objective in objectives]
        weights = np.array([objective.weight for objective in objectives])
        signs = np.array([1.0 if goal == StudyDirection.MINIMIZE else -1.0 for goal in self._goals])
        self._weights: Floats = signs * weights / weights.sum()
        self._sides = [optuna.create_study(direction=goal) for goal in self._goals]
        self._learned = set[int]()
        """Trials that the sides have."""
        self._mean: Study | None = None
        self._scaled = self._weights

    def prune(self, trials: Sequence[FrozenTrial], number: int) -> bool:
        """Whether a trial should be ended for what it has reported last.

        Args:
            trials: all trials, by number.
            number: which of them is meant.
        """
        self._learn(trials)
        trial = trials[number]
        for index, side in enumerate(self._sides):
            if not self._pruner.prune(side, _seen(trial, _unit(index, len(self._goals)))):
                return False
        return bool(self._pruner.prune(self._of_mean(trials), _seen(trial, self._scaled)))

    def _learn(self, trials: Sequence[FrozenTrial]) -> None:
        """See what has succeeded since. What has once succeeded stays as it is."""
        fresh = [trial for trial in _succeeded(trials) if trial.number not in self._learned]
        if fresh:
            self._learned |= {trial.number for trial in fresh}
            self._mean = None
        for index, side in enumerate(self._sides):
            side.add_trials([_seen(trial, _unit(index, len(self._goals))) for trial in fresh])

    def _of_mean(self, trials: Sequence[FrozenTrial]) -> Study:
        if self._mean is None:
            succeeded = _succeeded(trials)
            self._scaled = self._weights / _ranges(succeeded, len(self._goals))
            self._mean = optuna.create_study()
            self._mean.add_trials([_seen(trial, self._scaled) for trial in succeeded])
        return self._mean


def _succeeded(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """In the order in which they ended: of equals, the first is best."""
    found = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(found, key=lambda trial: (str(trial.datetime_complete), trial.number))


def _seen(trial: FrozenTrial, weights: Floats) -> FrozenTrial:
    """The trial with the weighted sum of its values as its only one."""
    return FrozenTrial(
        number=trial.number,
        trial_id=trial._trial_id,
        state=trial.state,
        value=_sum(trial.values, weights) if trial.values else None,
        values=None,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params={},
        distributions={},
        user_attrs={},
        system_attrs=trial.system_attrs,  # its constraints, which decide which trial is best
        intermediate_values=_steps(reports_of(trial), weights),
    )


def _steps(reports: Mapping[int, Sequence[float]], weights: Floats) -> dict[int, float]:
    return {step: _sum(values, weights) for step, values in reports.items()}


def _sum(values: Sequence[float], weights: Floats) -> float:
    # Nothing times infinity is no number, and what has no weight shall not count.
    return float(sum(weight * value for weight, value in zip(weights, values, strict=True) if weight))


def _unit(index: int, length: int) -> Floats:
    found: Floats = np.eye(length)[index]
    return found


def _ranges(trials: Sequence[FrozenTrial], length: int) -> Floats:
    """The range of what was reported of each objective; 1 where nothing was, or always the same."""
    reported = np.array([values for trial in trials for values in reports_of(trial).values()]).reshape(-1, length)
    found = np.ones(length)
    for index, column in enumerate(reported.T):
        finite = column[np.isfinite(column)]
        spread = np.ptp(finite) if len(finite) else 0.0
        found[index] = spread if spread > 0 and math.isfinite(spread) else 1.0
    return found
