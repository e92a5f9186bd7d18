"""Columns as the pipeline reads them, whether they come as a table or as the rows of a request.

Numbers, Booleans and dates (seconds since 1970, UTC) are floats with NaN where missing, all else text or None.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from afina_jobs.automl.problem import Array

Columns = dict[str, Array]
NUMERIC = ("Numeric", "Boolean", "Datetime")


def from_table(frame: pd.DataFrame, types: Mapping[str, str]) -> Columns:
    """The columns of a table; one that is not there is missing in every row."""
    return {name: _from_series(frame.get(name), kind, len(frame)) for name, kind in types.items()}


def from_rows(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> Columns:
    """The columns of rows as JSON has them. What cannot be read as the column's type counts as missing."""
    found = {}
    for name, kind in types.items():
        values = [row.get(name) for row in rows]
        if kind in NUMERIC:
            found[name] = np.array([_number(value, kind) for value in values], dtype=float)
        else:
            found[name] = np.array([_text(value) for value in values], dtype=object)
    return found


def to_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as rows that JSON can carry."""
    rows: list[dict[str, Any]] = [
        {str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")
    ]
    return rows


def _from_series(values: pd.Series | None, kind: str, rows: int) -> Array:
    if kind not in NUMERIC:
        texts = [None] * rows if values is None else [None if pd.isna(value) else _text(value) for value in values]
        return np.array(texts, dtype=object)
    if values is None:
        return np.full(rows, np.nan)
    if kind == "Datetime":
        moments = pd.to_datetime(values, utc=True, errors="coerce")
        microseconds = moments.dt.as_unit("us").astype("int64").to_numpy()
        return np.where(moments.isna().to_numpy(), np.nan, microseconds / 1e6)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _number(value: Any, kind: str) -> float:
    try:
        found = _seconds(value) if kind == "Datetime" and isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def _seconds(value: str) -> float:
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(value: Any) -> str | None:
    """A whole number reads the same as integer and as float."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
