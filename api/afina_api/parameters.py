"""The search space: what may be tuned, and in which range."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StrictInt, StrictStr, StringConstraints, WithJsonSchema, model_validator

from afina_api.base import MAX_SAFE_INTEGER, Model, Scalar, rule

MAX_PARAMETERS = 100
MAX_CHOICES = 100
MAX_CONDITIONS = 3
MAX_CONDITION_VALUES = 10

Scale = Literal["Linear", "Log"]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", min_length=1, max_length=63)]
Choice = Annotated[
    StrictInt | Annotated[StrictStr, Field(max_length=256)],
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 256}),
]
SafeInteger = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER, strict=True)]

CONDITION_NAMES = "when must name a categorical or int parameter that stands before"
CONDITION_VALUES = "when must ask for values that the other parameter can have"

RANGES_GROW = (
    "after the job has started, only ranges of numbers may change, and only so that they hold the old one, by whole"
    " steps: create another TuningJob"
)
FIXED_SPACE = ("Grid", "CmaEs")
"""Algorithms whose proposals follow from the whole space as it was when the search began."""
SPACE_IS_FIXED = f"{' and '.join(FIXED_SPACE)} cannot go on with other ranges: create another TuningJob"

_ORDERED = rule("self.min < self.max", "min must be less than max", field=".max")
_LOG_POSITIVE = rule(
    "!has(self.scale) || self.scale != 'Log' || self.min > 0",
    "min must be greater than 0 where scale is Log",
    field=".min",
)
_LOG_NO_STEP = rule(
    "!has(self.scale) || self.scale != 'Log' || !has(self.step)",
    "step has no meaning where scale is Log: remove one of the two",
    field=".step",
)
_STEP_FITS = rule(
    "!has(self.step) || self.step <= self.max - self.min", "step must fit between min and max", field=".step"
)


class _Range(Model):
    """What a float and an int range share: the checks."""

    rules: ClassVar = (_ORDERED, _LOG_POSITIVE, _LOG_NO_STEP, _STEP_FITS)

    scale: Scale = "Linear"
    """`Log` searches orders of magnitude evenly: for learning rates, regularisation, sizes."""

    def _check(self, low: float, high: float, step: float | None) -> None:
        if not low < high:
            raise ValueError(f"min must be less than max: got min {low} and max {high}")
        if self.scale == "Log" and low <= 0:
            raise ValueError(f"min must be greater than 0 where scale is Log: got {low}")
        if self.scale == "Log" and step is not None:
            raise ValueError("step has no meaning where scale is Log: remove one of the two")
        if step is not None and step > high - low:
            raise ValueError(f"step must fit between min and max: got {step}")


class FloatRange(_Range):
    """A real number between `min` and `max`, both included."""

    min: float
    """Smallest value."""
    max: float
    """Largest value."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Only min, min + step, min + 2 step, ... are tried."""

    @model_validator(mode="after")
    def _range_is_searchable(self) -> Self:
        self._check(self.min, self.max, self.step)
        return self


class IntRange(_Range):
    """A whole number between `min` and `max`, both included."""

    min: SafeInteger
    """Smallest value."""
    max: SafeInteger
    """Largest value."""
    step: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER, strict=True)] | None = None
    """Only min, min + step, min + 2 step, ... are tried."""

    @model_validator(mode="after")
    def _range_is_searchable(self) -> Self:
        self._check(self.min, self.max, self.step)
        return self


class Categorical(Model):
    """One of a few named things."""

    choices: Annotated[
        list[Choice],
        Field(min_length=1, max_length=MAX_CHOICES, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ]
    """The values: strings or whole numbers; quote anything else."""

    @model_validator(mode="after")
    def _choices_are_unique(self) -> Self:
        for choice in self.choices:
            if self.choices.count(choice) > 1:
                raise ValueError(f"choices must be unique: {choice!r} is there twice")
        return self


class Condition(Model):
    """That another parameter has one of some values."""

    parameter: ParameterName
    """Name of a categorical or int parameter that stands before this one in the list."""
    in_: Annotated[list[Choice], Field(alias="in", min_length=1, max_length=MAX_CONDITION_VALUES)]
    """One of its values. A parameter that is not there has none."""


class Parameter(Model):
    """One dimension of the search space."""

    rules: ClassVar = (
        rule(
            "[has(self.float), has(self.int), has(self.categorical)].filter(x, x).size() == 1",
            "a parameter is exactly one of float, int or categorical",
        ),
    )

    name: ParameterName
    """What the objective calls it."""
    float_: Annotated[FloatRange | None, Field(alias="float")] = None
    """A real number."""
    int_: Annotated[IntRange | None, Field(alias="int")] = None
    """A whole number."""
    categorical: Categorical | None = None
    """One of a few named things."""
    when: Annotated[list[Condition], Field(max_length=MAX_CONDITIONS, default_factory=list)]
    """Only trials that meet all of these conditions have the parameter. Empty: all have it."""

    @model_validator(mode="after")
    def _is_exactly_one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.float_, self.int_, self.categorical)) != 1:
            raise ValueError("a parameter is exactly one of float, int or categorical")
        return self

    def grid_size(self) -> float:
        """How many values a grid over this parameter has; infinite for a float without a step."""
        if self.categorical:
            return len(self.categorical.choices)
        if self.int_:
            return (self.int_.max - self.int_.min) // (self.int_.step or 1) + 1
        if self.float_ and self.float_.step:
            # The last step may end a rounding error before max.
            return math.floor((self.float_.max - self.float_.min) / self.float_.step + 1e-9) + 1
        return math.inf

    def contains(self, value: float | str | None) -> bool:
        """Whether the parameter can have the value."""
        if self.categorical:
            return value in self.categorical.choices
        span = self.int_ or self.float_
        if span is None or value is None or isinstance(value, str) or not span.min <= value <= span.max:
            return False
        # The last step may end a rounding error before the value.
        places = (value - span.min) / (span.step or (1 if self.int_ else value - span.min or 1))
        return abs(places - round(places)) < 1e-9

    def has_grown_from(self, before: "Parameter") -> bool:
        """Whether this is the parameter as it was, or its range holds the range that it had, by whole steps."""
        new, old = self.float_ or self.int_, before.float_ or before.int_
        if new is None or old is None or type(new) is not type(old):
            return self == before
        steps = (old.min - new.min) / (new.step or (1 if self.int_ else math.inf))
        return (
            (self.name, self.when, new.scale, new.step) == (before.name, before.when, old.scale, old.step)
            and new.min <= old.min
            and old.max <= new.max
            and abs(steps - round(steps)) < 1e-6
        )

    def is_there(self, params: Mapping[str, float | str | None] | Mapping[str, float | str]) -> bool:
        """Whether a trial with these parameters has this one, too."""
        return all(params.get(condition.parameter) in condition.in_ for condition in self.when)

    def may_be(self, value: int | str) -> bool:
        """Whether a condition may ask for the value."""
        if self.categorical:
            return value in self.categorical.choices
        return self.int_ is not None and isinstance(value, int) and self.int_.min <= value <= self.int_.max


def have_grown(before: Sequence[Parameter], after: Sequence[Parameter]) -> bool:
    """Whether a search in the first space can go on in the second: nothing but ranges of numbers has changed, and each
    holds what it held before.
    """
    return len(before) == len(after) and all(map(Parameter.has_grown_from, after, before))


class ParameterValue(Model):
    """What a parameter was set to."""

    name: ParameterName
    """Name of the parameter."""
    value: Scalar
    """Its value."""


def check_conditions(parameters: Sequence[Parameter]) -> None:
    """Refuse conditions that can never be met.

    Raises:
        ValueError: one of them names no categorical or int parameter before it, or a value that it cannot have.
    """
    before: dict[str, Parameter] = {}
    for parameter in parameters:
        for condition in parameter.when:
            parent = before.get(condition.parameter)
            if parent is None or parent.float_:
                raise ValueError(f"{parameter.name}: when: {CONDITION_NAMES} ({condition.parameter} does not)")
            for value in condition.in_:
                if not parent.may_be(value):
                    raise ValueError(f"{parameter.name}: when: {CONDITION_VALUES} ({condition.parameter}: {value!r})")
        before[parameter.name] = parameter
