"""What every family does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from afina_api.parameters import Categorical, FloatRange, IntRange, Parameter
from afina_jobs.automl.features.pipeline import View
from afina_jobs.automl.problem import Array
from afina_jobs.contract import Value


@dataclass(frozen=True)
class Rows:
    """Features and target of the same rows."""

    features: Array
    target: Array
    """Codes of the classes, or numbers."""
    groups: Array | None = None
    """Ranking: the query of each row, sorted."""


@dataclass(frozen=True)
class Order:
    """What to fit."""

    rows: Rows
    classes: int
    """How many classes there are; 0 for numbers."""
    metric: str
    params: Mapping[str, Value]
    seed: int
    threads: int
    early: Rows | None = None
    """Rows to stop early by."""
    rounds: int | None = None
    """Without these: how many rounds of boosting, or epochs."""


class Model(Protocol):
    """A fitted model."""

    @property
    def rounds(self) -> int | None:
        """Rounds or epochs it took; None where there are none."""

    def predict(self, features: Array) -> Array:
        """Probabilities, rows x classes; or a number for each row."""

    def save(self, file: Path) -> None:
        """Write it in a format that runs nothing when it is read."""


@dataclass(frozen=True)
class Family:
    """A kind of model."""

    name: str
    view: View
    suffix: str
    """Of the exported file."""
    space: tuple[Parameter, ...]
    default: Mapping[str, Value]
    """Tried first."""
    fit: Callable[[Order], Model]
    load: Callable[[Path], Model]
    stops_early: bool = False
    """Whether it is fitted in rounds, until rows that are kept apart get no better."""
    needs: str | None = None
    """A package that not every image has."""


def floats(name: str, low: float, high: float, scale: Literal["Linear", "Log"] = "Linear") -> Parameter:
    """A real parameter."""
    return Parameter(name=name, float_=FloatRange(min=low, max=high, scale=scale))


def integers(name: str, low: int, high: int, scale: Literal["Linear", "Log"] = "Linear") -> Parameter:
    """A whole parameter."""
    return Parameter(name=name, int_=IntRange(min=low, max=high, scale=scale))


def choice(name: str, *choices: str) -> Parameter:
    """A parameter with named values."""
    return Parameter(name=name, categorical=Categorical(choices=list(choices)))


def both(second: Array) -> Array:
    """Probabilities of two classes, from that of the second."""
    return np.column_stack([1 - second, second])
