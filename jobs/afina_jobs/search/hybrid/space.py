"""A search space as the unit cube: a column for each parameter, where distances mean something."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MISSING_CATEGORY = -1.0
"""The category of a parameter that a trial does not have: unlike every other."""
MISSING_NUMBER = 0.5
"""The number of a parameter that a trial does not have: the middle, which is as near as can be to all others."""


class UnitSpace:
    """Turns parameters into points of the unit cube and back.

    Numbers lie in [0, 1], on a logarithmic scale where the distribution says so; a category is its index.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._axes = {name: _axis(distribution) for name, distribution in distributions.items()}
        self.names = list(self._axes)
        """Of the columns."""
        self.categorical = np.array([isinstance(axis, _Choices) for axis in self._axes.values()])
        """Which columns are categories; shape (d,)."""
        self.steps = np.array([axis.step for axis in self._axes.values()])
        """The least difference of two values in each column, 0 where there is none; shape (d,)."""
        self.missing = np.array([axis.missing for axis in self._axes.values()])
        """Where the points of trials lie that lack a parameter; shape (d,)."""

    def encode(self, params: Mapping[str, Any]) -> Floats:
        """The point of some parameters; shape (d,). Those that are missing lie apart, those out of range outside."""
        found: Floats = self.encode_all([params])[0]
        return found

    def encode_all(self, many: Sequence[Mapping[str, Any]]) -> Floats:
        """The points of many; shape (n, d)."""
        found = [
            [axis.encode(params[name]) if name in params else axis.missing for name, axis in self._axes.items()]
            for params in many
        ]
        return np.array(found, dtype=float).reshape(len(many), len(self._axes))

    def lacking(self, many: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
        """Which parameters each lacks; shape (n, d)."""
        found = np.array([[name not in params for name in self._axes] for params in many], dtype=bool)
        return found.reshape(len(many), len(self._axes))

    def decode(self, point: Floats) -> dict[str, Any]:
        """The parameters of a point, but for categories that are missing."""
        pairs = zip(self._axes.items(), point, strict=True)
        return {name: axis.decode(float(value)) for (name, axis), value in pairs if value != MISSING_CATEGORY}

    def snap(self, points: Floats) -> Floats:
        """The nearest points that parameters can have; shape (n, d)."""
        columns = [axis.snap(column) for axis, column in zip(self._axes.values(), points.T, strict=True)]
        return np.column_stack(columns)

    def random(self, rng: np.random.Generator, count: int) -> Floats:
        """Points drawn evenly; shape (count, d)."""
        uniform = rng.random((count, len(self._axes)))
        return np.column_stack(
            [axis.spread(column) for axis, column in zip(self._axes.values(), uniform.T, strict=True)]
        )

    def centre(self, rng: np.random.Generator) -> Floats:
        """The middle of every range, with categories by chance; shape (d,)."""
        drawn = self.random(rng, 1)
        found: Floats = self.snap(np.where(self.categorical, drawn, 0.5))[0]
        return found


class _Choices:
    missing = MISSING_CATEGORY
    step = 1.0

    def __init__(self, distribution: CategoricalDistribution) -> None:
        self._distribution = distribution

    def encode(self, value: Any) -> float:
        try:
            return float(self._distribution.to_internal_repr(value))
        except ValueError:  # a choice of an earlier search, which this one does not have
            return MISSING_CATEGORY

    def decode(self, value: float) -> Any:
        return self._distribution.to_external_repr(value)

    def snap(self, column: Floats) -> Floats:
        return column

    def spread(self, uniform: Floats) -> Floats:
        return np.floor(uniform * len(self._distribution.choices))


class _Numbers:
    missing = MISSING_NUMBER

    def __init__(self, distribution: FloatDistribution | IntDistribution) -> None:
        self._distribution = distribution
        self._whole_log = isinstance(distribution, IntDistribution) and distribution.log
        # On a logarithmic scale 1 is as wide as from 0.5 to 1.5: without it, it would hardly ever be drawn.
        margin = 0.5 if self._whole_log else 0.0
        self._low, self._high = self._scaled(distribution.low - margin), self._scaled(distribution.high + margin)
        stepped = distribution.step is not None and not self._whole_log
        self.step = (distribution.step or 0) / (self._high - self._low) if stepped else 0.0

    def encode(self, value: float) -> float:
        if self._distribution.log and value <= 0:  # of an earlier search whose scale was linear
            return 0.0
        return (self._scaled(value) - self._low) / (self._high - self._low)

    def decode(self, value: float) -> float:
        low, high, step = self._distribution.low, self._distribution.high, self._distribution.step
        number = self._unscaled(value)
        if step is not None:
            number = low + round((number - low) / step) * step
        number = min(max(number, low), high)
        return int(number) if isinstance(self._distribution, IntDistribution) else float(number)

    def snap(self, column: Floats) -> Floats:
        inside = np.clip(column, 0.0, 1.0)
        if self._whole_log:
            numbers = np.exp(self._low + inside * (self._high - self._low)).round()
            numbers = np.clip(numbers, self._distribution.low, self._distribution.high)
            return (np.log(numbers) - self._low) / (self._high - self._low)
        return np.round(inside / self.step) * self.step if self.step else inside

    def spread(self, uniform: Floats) -> Floats:
        levels = round(1 / self.step) + 1 if self.step else 0
        return np.floor(uniform * levels) * self.step if levels else self.snap(uniform)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self._distribution.log else float(value)

    def _unscaled(self, unit: float) -> float:
        value = self._low + unit * (self._high - self._low)
        return math.exp(value) if self._distribution.log else value


def _axis(distribution: BaseDistribution) -> _Choices | _Numbers:
    if isinstance(distribution, CategoricalDistribution):
        return _Choices(distribution)
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return _Numbers(distribution)
    raise TypeError(f"{distribution} is neither a number nor a category")
