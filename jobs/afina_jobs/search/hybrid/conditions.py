"""Which parameters a point has: some exist only with certain values of others."""

import numpy as np
from numpy.typing import NDArray

from afina_jobs.search.hybrid.space import Floats, UnitSpace


class Conditions:
    """Learned from trials: a parameter that no trial with some value of another had is not there with that value.

    Without it a model believes that it can find out something by varying a parameter that is not there.
    """

    def __init__(self, space: UnitSpace, points: Floats, missing: NDArray[np.bool_]) -> None:
        """Learn from points (n, d) and the parameters that their trials did not have (n, d)."""
        self._missing = space.missing
        discrete = np.flatnonzero(space.categorical | (space.steps > 0))
        self._rules = [
            (parent, value, child)
            for child in np.flatnonzero(missing.any(axis=0))
            for parent in discrete[discrete != child]
            for value in np.unique(points[~missing[:, parent], parent])
            if missing[points[:, parent] == value, child].all()
        ]

    def settle(self, points: Floats) -> Floats:
        """The points (m, d), with the parameters that are not there marked as missing."""
        points = points.copy()
        for parent, value, child in self._rules:
            points[points[:, parent] == value, child] = self._missing[child]
        return points
