"""What earlier searches make us expect of points of this one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.distributions import BaseDistribution

from afina_jobs.search.hybrid.conditions import Conditions, Declared
from afina_jobs.search.hybrid.gp import GaussianProcess, fit
from afina_jobs.search.hybrid.space import Floats, Indices, UnitSpace
from afina_jobs.search.hybrid.surrogate import best_and_last, half_ranked, spearman, standardised
from afina_jobs.search.past import Past

LEAST_TRIALS = 5
"""An earlier search of fewer trials says nothing."""
MOST_TRIALS = 100
"""So many of a longer one are learned from: the best half and the last of the others."""
_LEAST_RESULTS = 4
"""Fewer results contradict nothing."""


@dataclass(frozen=True)
class _Trend:
    """A model of one earlier search."""

    columns: Indices
    """The parameters that it shares with this search."""
    conditions: Conditions
    """Which of them its points have: what it never saw together, it must not be asked about."""
    process: GaussianProcess

    def predict(self, points: Floats) -> Floats:
        mean, _ = self.process.predict(self.conditions.settle(points[:, self.columns]))
        return mean


class Trends:
    """A model of each earlier search, over the parameters that it shares with this one."""

    def __init__(
        self, searches: Sequence[Past], space: Mapping[str, BaseDistribution], declared: Declared | None = None
    ) -> None:
        """Learn from some searches; one with nothing in common is left out. So are conditions, unless declared."""
        self.space = space
        self._models = [model for past in searches if (model := _learn(past, space, declared)) is not None]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._models)

    def predict(self, points: Floats) -> Floats:
        """What each earlier search expects, smaller is better, standardised; shape (n, h)."""
        found = np.zeros((len(points), len(self._models)))
        for index, model in enumerate(self._models):
            found[:, index] = model.predict(points)
        return found


def agreement(points: Floats, values: Floats, trends: Trends) -> float | None:
    """Spearman's rank correlation of values (n, k) at points (n, d) with what was expected; None while they are few."""
    if len(trends) == 0 or len(points) < _LEAST_RESULTS:
        return None
    return spearman(trends.predict(points).mean(axis=1), _joined(values))


def _learn(past: Past, space: Mapping[str, BaseDistribution], declared: Declared | None) -> _Trend | None:
    known = {name for params in past.params for name in params}
    shared = {name: distribution for name, distribution in space.items() if name in known}
    if len(past.params) < LEAST_TRIALS or not shared:
        return None
    values = _joined(np.array(past.values))
    chosen = best_and_last(values, MOST_TRIALS)
    unit, params = UnitSpace(shared), [past.params[index] for index in chosen]
    points = unit.encode_all(params)
    return _Trend(
        columns=np.flatnonzero([name in shared for name in space]),
        conditions=Conditions.of(unit, points, unit.lacking(params), declared),
        process=fit(points, half_ranked(values[chosen]), unit.categorical),
    )


def _joined(values: Floats) -> Floats:
    """Several objectives as one, all of the same weight."""
    found: Floats = np.mean([standardised(column) for column in values.T], axis=0)
    return found
