"""Tables as columns, which are the same when the rows come in a request."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from afina_models.arrays import Array
from afina_models.columns import NUMERIC, Columns, as_text


def from_table(frame: pd.DataFrame, types: Mapping[str, str]) -> Columns:
    """The columns of a table; one that is not there is missing in every row."""
    return {name: _from_series(frame.get(name), kind, len(frame)) for name, kind in types.items()}


def to_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as rows that JSON can carry."""
    rows: list[dict[str, Any]] = [
        {str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")
    ]
    return rows


def _from_series(values: pd.Series | None, kind: str, rows: int) -> Array:
    if kind not in NUMERIC:
        texts = [None] * rows if values is None else [None if pd.isna(value) else as_text(value) for value in values]
        return np.array(texts, dtype=object)
    if values is None:
        return np.full(rows, np.nan)
    if kind == "Datetime":
        moments = pd.to_datetime(values, utc=True, errors="coerce")
        microseconds = moments.dt.as_unit("us").astype("int64").to_numpy()
        return np.where(moments.isna().to_numpy(), np.nan, microseconds / 1e6)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
