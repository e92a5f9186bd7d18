"""What becomes of one column: each a frozen dataclass, so that its fields are its whole state."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Protocol

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import KFold

from afina_jobs.automl.problem import Array

ONE_HOT_LEVELS = 10
"""Categories with more levels are encoded by the target's mean."""
MAX_LEVELS = 10_000
"""Levels that are kept of a category, the commonest."""
TEXT_FEATURES = 128
SMOOTHING = 10.0
"""A level's mean counts as much as the overall mean when it has so many rows."""
_ENCODING_FOLDS = 5


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

    @classmethod
    def fit(cls, column: str, values: Array) -> "OneHot":
        """Learn the levels."""
        return cls(column, sorted({value for value in values if value is not None}))

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

    @classmethod
    def fit(cls, column: str, values: Array, target: Array) -> "TargetMean":
        """Learn the means of a target of several columns."""
        prior = target.mean(axis=0)
        kept = [level for level, _ in Counter(values[values != None]).most_common(MAX_LEVELS)]  # noqa: E711
        codes = {level: code for code, level in enumerate(kept)}
        numbers = np.array([codes.get(value, -1) for value in values])
        known = numbers >= 0
        counts = np.bincount(numbers[known], minlength=len(kept)).astype(float)
        sums = [np.bincount(numbers[known], part[known], minlength=len(kept)) for part in target.T]
        means = (np.array(sums).T + SMOOTHING * prior) / (counts + SMOOTHING)[:, None]
        rows = np.column_stack([means, counts / max(1, len(values))])
        return cls(column, [*prior.tolist(), 0.0], dict(zip(kept, rows.tolist(), strict=True)))

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [f"{self.column}:mean{index}" for index in range(len(self.prior) - 1)] + [f"{self.column}:share"]

    def transform(self, values: Array) -> Array:
        """The features."""
        return np.array([self.means.get(value, self.prior) for value in values], dtype=float).reshape(len(values), -1)

    def transform_seen(self, values: Array, target: Array, seed: int) -> Array:
        """The features of the rows it was fitted on: each from the rows of other folds, so that none sees itself."""
        found = np.empty((len(values), len(self.prior)))
        for others, own in KFold(_ENCODING_FOLDS, shuffle=True, random_state=seed).split(values):
            found[own] = self.fit(self.column, values[others], target[others]).transform(values[own])
        return found


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

    @cached_property
    def _vectorizer(self) -> HashingVectorizer:
        return HashingVectorizer(n_features=self.features)

    def transform(self, values: Array) -> Array:
        """The features."""
        found: Array = self._vectorizer.transform([value or "" for value in values]).toarray()
        return found


KINDS: dict[str, type] = {kind.__name__: kind for kind in (Number, OneHot, TargetMean, DateParts, HashedText)}
