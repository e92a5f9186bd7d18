"""What a trial is given and what it gives back: the contract that users' programs are written against.

Parameters go in as `$(params.NAME)` in the arguments, as `AFINA_PARAM_NAME` in the environment and as a JSON file;
metrics come out as JSON objects, one a line. A trial ends as one of three outcomes.
"""

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from afina_api.reasons import RetryReason, TrialReason
from afina_api.trial import PLACEHOLDER

Value = str | int | float
Params = Mapping[str, Value]

MAX_MESSAGE = 1024
"""Characters of a message that are kept; the API allows no more."""
MAX_METRICS = 100
"""Metrics of one trial that are kept, besides the objectives'."""
_METRIC_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,62}")
_MAX_STEP = 2**31 - 1


@dataclass(frozen=True)
class Succeeded:
    """The trial has a value of each objective."""

    values: tuple[float, ...]
    """One for each objective, in their order."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """All it reported, the objectives' metrics among them."""


@dataclass(frozen=True)
class Failed:
    """The trial ended without a value."""

    reason: TrialReason
    message: str


@dataclass(frozen=True)
class Pruned:
    """The trial was ended on purpose."""

    message: str


Outcome = Succeeded | Failed | Pruned


@dataclass(frozen=True)
class Lost:
    """The trial was lost with what ran it, which says nothing about its parameters."""

    why: RetryReason


Ending = Outcome | Lost
"""How a run of a trial ended."""


@dataclass(frozen=True)
class Proposal:
    """Parameters to evaluate, under the number that the trial keeps for ever."""

    number: int
    params: Params
    parent: int | None = None
    """Number of the trial whose checkpoint this one begins with."""


@dataclass(frozen=True)
class Report:
    """An intermediate value of each objective's metric."""

    step: int
    values: tuple[float, ...]
    """One for each objective, in their order."""


def arguments(argv: Iterable[str], params: Params) -> list[str]:
    """The program and its arguments with each `$(params.NAME)` replaced.

    An argument that names a parameter which the trial does not have is left out.
    """
    there = (argument for argument in argv if all(name in params for name in PLACEHOLDER.findall(argument)))
    return [PLACEHOLDER.sub(lambda match: str(params[match[1]]), argument) for argument in there]


def parameter_environment(params: Params) -> dict[str, str]:
    """`AFINA_PARAM_NAME` for each parameter: upper case, anything but letters and digits an underscore."""
    return {"AFINA_PARAM_" + re.sub(r"[^A-Z0-9]", "_", name.upper()): str(value) for name, value in params.items()}


def metrics_in(line: str, wanted: Collection[str]) -> dict[str, object] | None:
    """The metrics that a line of output carries: a JSON object with an objective's metric, or of numbers only.

    None for any other line: it is log.
    """
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = any(metric in found for metric in wanted) or (
        found and all(number(value) is not None for value in found.values())
    )
    return found if known else None


def report_in(metrics: Mapping[str, object], wanted: Iterable[str]) -> Report | None:
    """The intermediate values that a line with a `step` carries, or None where it does not carry all."""
    step, values = metrics.get("step"), [number(metrics.get(metric)) for metric in wanted]
    found = tuple(value for value in values if value is not None)
    if type(step) is not int or not 0 <= step <= _MAX_STEP or len(found) < len(values):
        return None
    return Report(step, found)


def number(value: object) -> float | None:
    """The value as a float, NaN and infinity included, or None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def judge(metrics: Mapping[str, object], wanted: Sequence[str], last_line: str = "") -> Succeeded | Failed:
    """What a trial that ended well is worth: it must have reported a finite number for each objective's metric."""
    values: dict[str, float] = {}
    for metric in wanted:
        if metric not in metrics:
            others = f", only of {', '.join(sorted(metrics))}" if metrics else ""
            line = f"; last line: {last_line}" if last_line else ""
            return Failed(TrialReason.METRIC_MISSING, text(f"it reported no value of {metric!r}{others}{line}"))
        value = number(metrics[metric])
        if value is None or not math.isfinite(value):
            return Failed(TrialReason.NOT_A_NUMBER, text(f"{metric} is {metrics[metric]!r}: report a finite number"))
        values[metric] = value
    return Succeeded(tuple(values.values()), values | _finite(metrics))


def _finite(metrics: Mapping[str, object]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in metrics.items():
        converted = number(value)
        if converted is not None and math.isfinite(converted) and _METRIC_NAME.fullmatch(name):
            found[name] = converted
    return dict(list(found.items())[:MAX_METRICS])


def text(message: str) -> str:
    """The message fit for a status: without control characters, and not too long."""
    printable = "".join(character if character.isprintable() else " " for character in message.strip())
    return printable if len(printable) <= MAX_MESSAGE else printable[: MAX_MESSAGE - 1] + "…"
