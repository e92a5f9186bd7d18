"""Columns as the pipeline reads them.

Numbers, Booleans and dates (seconds since 1970, UTC) are floats with NaN where missing, all else text or None.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from afina_models.arrays import Array

Columns = dict[str, Array]
NUMERIC = ("Numeric", "Boolean", "Datetime")


def from_rows(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Columns:
    """The columns of rows as JSON has them. What cannot be read as the column's type counts as missing."""
    numeric = [name for name, kind in types.items() if kind in NUMERIC]
    # One array for all: numpy takes its time for each.
    numbers = np.array([[as_number(row.get(name), types[name]) for row in rows] for name in numeric], dtype=float)
    found = dict(zip(numeric, numbers, strict=True))
    for name in types:
        if name not in found:
            found[name] = np.array([as_text(row.get(name)) for row in rows], dtype=object)
    return found


def as_text(value: Any) -> str | None:
    """A whole number reads the same as integer and as float."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_number(value: Any, kind: str) -> float:
    """A value as a column of the kind has it; NaN for what is no such value."""
    try:
        found = _seconds(value) if kind == "Datetime" and isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def _seconds(value: str) -> float:
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
