"""What is counted at a revision."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from afina_api.serving import LATENCY_BOUNDS

Count = Annotated[int, Field(ge=0, le=2**53)]
Total = tuple[Annotated[float, Field(ge=0, le=2**53)], Count]
"""The sum of numbers from 0 to 1, and how many they are."""
_NONE: Total = (0.0, 0)


class Sample(BaseModel):
    """Counts of one revision, in one look or in many.

    Raises:
        ValueError: on construction from anything but counts; NaN is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    requests: Count = 0
    errors: Count = 0
    """Failed requests."""
    latencies: tuple[Count, ...] = ()
    """Requests up to the first of LATENCY_BOUNDS, up to the second..., above the last. Empty: not measured."""
    predictions: Mapping[str, Count] = Field(default_factory=dict)
    """Predictions by bin: a class, or a range of numbers. Empty: not counted."""
    compared: Count = 0
    """Rows whose answer was compared with the stable revision's."""
    changed: Count = 0
    """Those of them whose answer was another."""
    uncertainty: Total = _NONE
    """Of the rows that have one."""
    counted: Mapping[str, Total] = Field(default_factory=dict)
    """What others count, by the metric's name; what could not be read is not there."""

    @model_validator(mode="after")
    def _consistent(self) -> "Sample":
        if self.errors > self.requests:
            raise ValueError(f"{self.errors} errors of {self.requests} requests")
        if self.changed > self.compared:
            raise ValueError(f"{self.changed} changed answers of {self.compared} that were compared")
        for hits, total in (self.uncertainty, *self.counted.values()):
            if hits > total:
                raise ValueError(f"{total} numbers from 0 to 1 sum to {hits}")
        if len(self.latencies) not in (0, len(LATENCY_BOUNDS) + 1):
            raise ValueError(f"{len(self.latencies)} latency buckets: {len(LATENCY_BOUNDS) + 1} are wanted")
        return self

    def __add__(self, other: "Sample") -> "Sample":
        names = sorted({*self.predictions, *other.predictions})
        counted = sorted({*self.counted, *other.counted})
        # Sums of counts are counts; to check them again would only cost time.
        return Sample.model_construct(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            latencies=tuple(a + b for a, b in zip_longest(self.latencies, other.latencies, fillvalue=0)),
            predictions={name: self.predictions.get(name, 0) + other.predictions.get(name, 0) for name in names},
            compared=self.compared + other.compared,
            changed=self.changed + other.changed,
            uncertainty=_sum(self.uncertainty, other.uncertainty),
            counted={name: _sum(self.counted.get(name, _NONE), other.counted.get(name, _NONE)) for name in counted},
        )


def _sum(one: Total, other: Total) -> Total:
    return one[0] + other[0], one[1] + other[1]


@dataclass(frozen=True)
class Pair:
    """The two sides."""

    canary: Sample
    stable: Sample
