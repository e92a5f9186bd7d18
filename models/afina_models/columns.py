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
    return from_numbers(numbers(rows, types), rows, types)


def numbers(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Array:
    """The columns of numbers, in one array since numpy takes its time for each: columns x rows."""
    numeric = [(name, kind) for name, kind in types.items() if kind in NUMERIC]
    return np.array([[as_number(row.get(name), kind) for row in rows] for name, kind in numeric], dtype=float)


def from_numbers(known: Array, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Columns:
    """The columns, where those of numbers are known."""
    numeric = iter(known)
    return {
        name: next(numeric) if kind in NUMERIC else np.array([as_text(row.get(name)) for row in rows], dtype=object)
        for name, kind in types.items()
    }


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
