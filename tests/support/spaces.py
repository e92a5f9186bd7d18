"""Spaces of a search that has started, before and after an edit: read by the API server's door and by the driver's."""

from typing import Any

Json = dict[str, Any]
Edit = tuple[Json, Json]


def _floats(low: float, high: float, **more: Any) -> Json:
    return {"name": "x", "float": {"min": low, "max": high, **more}}


def _ints(low: int, high: int, **more: Any) -> Json:
    return {"name": "x", "int": {"min": low, "max": high, **more}}


def _words(*choices: str) -> Json:
    return {"name": "x", "categorical": {"choices": list(choices)}}


def _when(*values: int) -> Json:
    return {"when": [{"parameter": "depth", "in": list(values)}]}


INTS = _ints(1, 9)
MORE: list[Json] = [{"name": "depth", "int": {"min": 1, "max": 9}}, {"name": "rate", "float": {"min": 0, "max": 1}}]
"""What else is in the space."""

GROWN: dict[str, Edit] = {
    "a higher max": (_floats(0, 1), _floats(0, 1.5)),
    "a lower min": (_floats(0.5, 1), _floats(-2, 1)),
    "both": (INTS, _ints(-4, 100)),
    "a log scale": (_floats(1e-3, 1, scale="Log"), _floats(1e-6, 10, scale="Log")),
    "a log scale of integers": (_ints(1, 64, scale="Log"), _ints(1, 1024, scale="Log")),
    "whole steps of floats": (_floats(0.3, 0.9, step=0.1), _floats(0, 1, step=0.1)),
    "whole steps of integers": (_ints(4, 16, step=4), _ints(-4, 17, step=4)),
    "nothing, in other words": (_floats(0, 1), _floats(0.0, 1.0)),
}
NOT_GROWN: dict[str, Edit] = {
    "a lower max": (_floats(0, 1), _floats(-1, 0.5)),
    "a higher min": (INTS, _ints(2, 20)),
    "another scale": (_floats(0.1, 1), _floats(0.1, 2, scale="Log")),
    "another step": (_ints(0, 8, step=2), _ints(0, 16, step=4)),
    "a new step": (_floats(0, 1), _floats(0, 2, step=0.5)),
    "a part of a step": (_ints(4, 16, step=4), _ints(2, 16, step=4)),
    "a part of a step of floats": (_floats(0.5, 1, step=0.25), _floats(0.4, 1, step=0.25)),
    "another type": (INTS, _floats(1, 9)),
    "another type, the other way": (_floats(1, 9), INTS),
    "a category more": (_words("a", "b"), _words("a", "b", "c")),
    "other categories": (_words("a", "b"), _words("a", "c")),
    "categories for numbers": (INTS, _words("a", "b")),
    "numbers for categories": (_words("a", "b"), INTS),
    "another name": (INTS, INTS | {"name": "y"}),
}
NOT_GROWN_LAST: dict[str, Edit] = {
    "a condition": (INTS, INTS | _when(1)),
    "another condition": (INTS | _when(1), _ints(1, 10) | _when(1, 2)),
    "no condition": (INTS | _when(1), _ints(1, 10)),
}
"""Of a parameter that comes after the others."""
