"""Which parameters a point has: some exist only with certain values of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afina_jobs.search.hybrid.space import Floats, UnitSpace

Declared = Mapping[str, Sequence[tuple[str, Sequence[Any]]]]
"""By parameter: those that it depends on, each with the values with which it is there. All must have one of theirs."""

_DIGITS = 9
"""Values that are equal so far are the same step or category."""


@dataclass(frozen=True)
class _Rule:
    child: int
    parent: int
    values: Floats
    """Of the parent."""
    there: bool
    """Whether the child is there with those values only, or missing with them."""


class Conditions:
    """What is known of which parameters exist.

    Without it a model believes that it can find out something by varying a parameter that is not there.
    """

    def __init__(self, space: UnitSpace, rules: Sequence[_Rule]) -> None:
        self._missing = space.missing
        self._rules = rules

    @classmethod
    def of(
        cls, space: UnitSpace, points: Floats, missing: NDArray[np.bool_], declared: Declared | None
    ) -> "Conditions":
        """Those that were declared, else what can be learned.

        Args:
            space: the columns.
            points: of trials; shape (n, d).
            missing: the parameters that they did not have; shape (n, d).
            declared: a parameter must stand after those that it depends on. None: learn.
        """
        return cls(space, _learned(space, points, missing) if declared is None else _declared(space, declared))

    def settle(self, points: Floats) -> Floats:
        """The points (m, d), with the parameters that are not there marked as missing."""
        gone = np.zeros(points.shape, dtype=bool)
        for rule in self._rules:
            among = np.isin(points[:, rule.parent].round(_DIGITS), rule.values)
            without = gone[:, rule.parent]
            gone[:, rule.child] |= ~among | without if rule.there else among & ~without
        return np.where(gone, self._missing, points)


def _declared(space: UnitSpace, conditions: Declared) -> list[_Rule]:
    index = {name: column for column, name in enumerate(space.names)}
    return [
        _Rule(index[child], index[parent], _values(space, parent, values), there=True)
        for child in space.names
        for parent, values in conditions.get(child, ())
        if parent in index  # one with a single value is no column
    ]


def _learned(space: UnitSpace, points: Floats, missing: NDArray[np.bool_]) -> list[_Rule]:
    """A parameter that no trial with some value of another had is not there with that value."""
    discrete = space.categorical | (space.steps > 0)
    points, rules = points.round(_DIGITS), []
    # What is missing more often depends on the others, and says nothing where it is missing itself.
    for parent in (column for column in np.argsort(missing.sum(axis=0), kind="stable") if discrete[column]):
        has = ~missing[:, parent]
        values = points[has, parent]
        for child in np.flatnonzero(missing.any(axis=0)):
            lacking = missing[has, child]
            absent = np.setdiff1d(values[lacking], values[~lacking])
            if child != parent and len(absent):
                rules.append(_Rule(int(child), int(parent), absent, there=False))
    return rules


def _values(space: UnitSpace, name: str, values: Sequence[Any]) -> Floats:
    column = space.names.index(name)
    found: Floats = space.encode_all([{name: value} for value in values])[:, column].round(_DIGITS)
    return found
