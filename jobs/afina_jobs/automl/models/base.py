"""What every family does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from afina_api.parameters import Categorical, FloatRange, IntRange, Parameter
from afina_jobs.contract import Value
from afina_models.arrays import Array
from afina_models.formats.base import Format, Model


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


@dataclass(frozen=True)
class Family:
    """A kind of model."""

    format: Format
    """How its models are kept."""
    space: tuple[Parameter, ...]
    default: Mapping[str, Value]
    """Tried first."""
    fit: Callable[[Order], Model]
    stops_early: bool = False
    """Whether it is fitted in rounds, until rows that are kept apart get no better."""
    needs: str | None = None
    """A package that not every image has."""

    @property
    def name(self) -> str:
        """As the spec has it."""
        return self.format.family


def floats(name: str, low: float, high: float, scale: Literal["Linear", "Log"] = "Linear") -> Parameter:
    """A real parameter."""
    return Parameter(name=name, float_=FloatRange(min=low, max=high, scale=scale), when=[])


def integers(name: str, low: int, high: int, scale: Literal["Linear", "Log"] = "Linear") -> Parameter:
    """A whole parameter."""
    return Parameter(name=name, int_=IntRange(min=low, max=high, scale=scale), when=[])


def choice(name: str, *choices: str) -> Parameter:
    """A parameter with named values."""
    return Parameter(name=name, categorical=Categorical(choices=list(choices)), when=[])
