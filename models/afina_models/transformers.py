"""What becomes of one column: each a frozen dataclass, so that its fields are its whole state."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from afina_models.arrays import Array
from afina_models.hashing import hashed_words

TEXT_FEATURES = 128


class Transformer(Protocol):
    """Turns the values of one column into numbers; NaN where they are missing."""

    @property
    def column(self) -> str:
        """Name of the column."""

    @property
    def names(self) -> list[str]:
        """Names of the features."""

    def transform(self, values: Array) -> Array:
        """The features, rows x names."""


@dataclass(frozen=True)
class Number:
    """The value as it is."""

    column: str

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [self.column]

    def transform(self, values: Array) -> Array:
        """The features."""
        return values.reshape(-1, 1)


@dataclass(frozen=True)
class OneHot:
    """A flag for each level; none is set for a level that was not seen and for a missing value."""

    column: str
    levels: list[str]

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}={level}" for level in self.levels]

    def transform(self, values: Array) -> Array:
        """The features."""
        return np.array([values == level for level in self.levels], dtype=float).T.reshape(len(values), -1)


@dataclass(frozen=True)
class TargetMean:
    """The smoothed mean of the target in the rows of the same level, and the level's share of the rows."""

    column: str
    prior: list[float]
    means: dict[str, list[float]]
    """Of each level: means of the target's columns, and the share."""

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}:mean{index}" for index in range(len(self.prior) - 1)] + [f"{self.column}:share"]

    def transform(self, values: Array) -> Array:
        """The features."""
        return np.array([self.means.get(value, self.prior) for value in values], dtype=float).reshape(len(values), -1)


@dataclass(frozen=True)
class DateParts:
    """Parts of a date in UTC, and the days since the first one seen."""

    column: str
    origin: float
    """In seconds since 1970."""

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}:{part}" for part in ("year", "month", "day", "weekday", "hour", "elapsed")]

    def transform(self, values: Array) -> Array:
        """The features."""
        found = np.full((len(values), 6), np.nan)
        for row in np.flatnonzero(np.isfinite(values)):
            moment = datetime.fromtimestamp(values[row], UTC)
            parts = (moment.year, moment.month, moment.day, moment.weekday(), moment.hour)
            found[row] = (*parts, (values[row] - self.origin) / 86_400)
        return found


@dataclass(frozen=True)
class HashedText:
    """Words of a text, hashed; there is nothing to learn."""

    column: str
    features: int = TEXT_FEATURES

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}#{index}" for index in range(self.features)]

    def transform(self, values: Array) -> Array:
        """The features."""
        found = [hashed_words(value or "", self.features) for value in values]
        return np.array(found).reshape(len(values), self.features)


KINDS: dict[str, type] = {kind.__name__: kind for kind in (Number, OneHot, TargetMean, DateParts, HashedText)}
