"""Rows of JSON, as `/predict` takes them, as columns; and what is to be told of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from afina_models.columns import NUMERIC, Columns, from_rows
from afina_serving.body import read
from afina_serving.errors import RequestError
from afina_serving.settings import MAX_ROWS

_MAX_WARNINGS = 20


class PredictRequest(BaseModel):
    """The request."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_ROWS)]


def read_rows(body: bytes, types: Mapping[str, str]) -> tuple[Columns, list[str]]:
    """The columns, and warnings: of what is missing, and of values that are taken as missing.

    Raises:
        RequestError: it is no JSON (400) or not of this form, or a column is unknown (422), or it is too long (413).
    """
    rows = read(PredictRequest, body, wrong=422, statuses={"too_long": 413}).rows
    for index, row in enumerate(rows):
        _require_values(index, row, types)
    columns = from_rows(rows, types)
    return columns, [*_missing(rows, types), *_unreadable(rows, columns, types)][:_MAX_WARNINGS]


def _require_values(index: int, row: Mapping[str, Any], types: Mapping[str, str]) -> None:
    for name, value in row.items():
        if name not in types:
            raise RequestError(422, f"rows.{index}: the model has no column {name!r}; it has {', '.join(types)}")
        if isinstance(value, list | dict):
            raise RequestError(422, f"rows.{index}.{name}: a number, a text, true, false or null is expected")


def _missing(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> list[str]:
    there = Counter(name for row in rows for name in row)
    return [
        f"the column {name!r} is missing in {len(rows) - there[name]} of {len(rows)} rows"
        for name in types
        if there[name] < len(rows)
    ]


def _unreadable(rows: Sequence[Mapping[str, Any]], columns: Columns, types: Mapping[str, str]) -> list[str]:
    numeric = [name for name, kind in types.items() if kind in NUMERIC]
    # All columns at once: numpy takes its time for each call.
    missing = np.argwhere(np.isnan([columns[name] for name in numeric])).tolist()
    return [
        f"rows.{row}.{name}: {str(rows[row][name])[:50]!r} is not {types[name]}: it is taken as missing"
        for name, row in ((numeric[column], row) for column, row in missing)
        if rows[row].get(name) is not None
    ]
