"""What earlier searches make us expect of points of this one."""

from collections.abc import Mapping, Sequence

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from afina_jobs.search.hybrid.gp import GaussianProcess, fit
from afina_jobs.search.hybrid.space import Floats, Indices, UnitSpace
from afina_jobs.search.hybrid.surrogate import best_and_last, half_ranked, spearman, standardised

LEAST_TRIALS = 5
"""An earlier search of fewer trials says nothing."""
MOST_TRIALS = 100
"""So many of a longer one are learned from: the best half and the last of the others."""
_LEAST_RESULTS = 4
"""Fewer results contradict nothing."""


class Trends:
    """A model of each earlier search, over the parameters that it shares with this one."""

    def __init__(self, studies: Sequence[Study], space: Mapping[str, BaseDistribution]) -> None:
        """Learn from the trials of some studies; one with nothing in common is left out."""
        self.space = space
        self._models = [model for study in studies if (model := _learn(study, space)) is not None]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._models)

    def predict(self, points: Floats) -> Floats:
        """What each earlier search expects, smaller is better, standardised; shape (n, h)."""
        found = np.zeros((len(points), len(self._models)))
        for index, (columns, process) in enumerate(self._models):
            found[:, index], _ = process.predict(points[:, columns])
        return found


class History:
    """Earlier studies, learned from once for each space."""

    def __init__(self, studies: Sequence[Study]) -> None:
        """Take the studies."""
        self._studies = studies
        self._trends = Trends((), {})

    def trends(self, space: Mapping[str, BaseDistribution]) -> Trends:
        """What they say of a space."""
        if self._trends.space != space:
            self._trends = Trends(self._studies, space)
        return self._trends


def agreement(points: Floats, values: Floats, trends: Trends) -> float:
    """Spearman's rank correlation of values (n, k) at points (n, d) with what was expected; 1 where little is known."""
    if len(trends) == 0 or len(points) < _LEAST_RESULTS:
        return 1.0
    return spearman(trends.predict(points).mean(axis=1), _joined(values))


def _learn(study: Study, space: Mapping[str, BaseDistribution]) -> tuple[Indices, GaussianProcess] | None:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    known = {name for trial in trials for name in trial.params}
    shared = {name: distribution for name, distribution in space.items() if name in known}
    if len(trials) < LEAST_TRIALS or not shared:
        return None
    signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
    values = _joined(np.array([trial.values for trial in trials]) * signs)
    chosen = best_and_last(values, MOST_TRIALS)
    unit = UnitSpace(shared)
    points = unit.encode_all([trials[index].params for index in chosen])
    columns = np.flatnonzero([name in shared for name in space])
    return columns, fit(points, half_ranked(values[chosen]), unit.categorical)


def _joined(values: Floats) -> Floats:
    """Several objectives as one, all of the same weight."""
    found: Floats = np.mean([standardised(column) for column in values.T], axis=0)
    return found
