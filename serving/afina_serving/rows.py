"""Rows of JSON, or an image, as `/predict` takes them, as columns; and what is to be told of them."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from afina_models.arrays import Array
from afina_models.columns import NUMERIC, Columns, from_numbers, numbers
from afina_serving.body import read
from afina_serving.errors import RequestError
from afina_serving.model import MeasuringImages
from afina_serving.settings import MAX_ROWS

IMAGE = "image"
"""Of a row: its image, where columns are measured of such. No model learns from the Dataset's column of this name."""
IMAGE_TYPES = ("image/jpeg", "image/png")
"""Of a body that is an image."""
_MAX_WARNINGS = 20


class PredictRequest(BaseModel):
    """The request."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_ROWS)]


def read_rows(
    body: bytes, types: Mapping[str, str], images: MeasuringImages | None = None
) -> tuple[Columns, list[str]]:
    """The columns, and warnings: of what is missing, of values that are taken as missing, and of poor images.

    Raises:
        RequestError: it is no JSON (400) or not of this form, or a column is unknown, or an image is none (422), or it
            is too long (413).
    """
    rows = read(PredictRequest, body, wrong=422, statuses={"too_long": 413}).rows
    contents: dict[int, bytes] = {}
    for index, row in enumerate(rows):
        image = row.pop(IMAGE, None) if images else None
        _require_values(index, row, types)
        if images and image is not None:
            _require_unmeasured(index, row, images)
            contents[index] = _unpacked(index, image)
    told: list[str] = []
    if images and contents:
        measured, told = images({f"rows.{index}.{IMAGE}": content for index, content in contents.items()})
        for index, features in zip(contents, measured, strict=True):
            rows[index] |= features
    return _as_columns(rows, types, told)


def read_image(body: bytes, types: Mapping[str, str], images: MeasuringImages) -> tuple[Columns, list[str]]:
    """The columns of the one row that an image is, and warnings.

    Raises:
        RequestError: it is no image (422), or too large (413).
    """
    rows, told = images({"the image": body})
    return _as_columns(rows, types, told)


def _as_columns(
    rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], told: Sequence[str]
) -> tuple[Columns, list[str]]:
    known = numbers(rows, types)
    warnings = [*told, *_missing(rows, types), *_unreadable(rows, known, types)]
    return from_numbers(known, rows, types), warnings[:_MAX_WARNINGS]


def _require_unmeasured(index: int, row: Mapping[str, Any], images: MeasuringImages) -> None:
    for names in images.learned.columns.values():
        for name in names:
            if name in row:
                raise RequestError(422, f"rows.{index}.{name}: it is measured of the image: leave out one of the two")


def _unpacked(index: int, image: object) -> bytes:
    try:
        if isinstance(image, str):
            return base64.b64decode(image, validate=True)
    except ValueError as error:
        raise RequestError(422, f"rows.{index}.{IMAGE}: it is no base64: {error}") from error
    raise RequestError(422, f"rows.{index}.{IMAGE}: a JPEG or PNG in base64 is expected")


def _require_values(index: int, row: Mapping[str, Any], types: Mapping[str, str]) -> None:
    for name, value in row.items():
        if name not in types:
            raise RequestError(422, f"rows.{index}: the model has no column {name!r}; it has {', '.join(types)}")
        if isinstance(value, list | dict):
            raise RequestError(422, f"rows.{index}.{name}: a number, a text, true, false or null is expected")


def _missing(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> list[str]:
    if min(map(len, rows)) == len(types):  # the usual case, and its names are known
        return []
    there = Counter(name for row in rows for name in row)
    return [
        f"the column {name!r} is missing in {len(rows) - there[name]} of {len(rows)} rows"
        for name in types
        if there[name] < len(rows)
    ]


def _unreadable(rows: Sequence[Mapping[str, Any]], known: Array, types: Mapping[str, str]) -> list[str]:
    missing = np.isnan(known)
    # Of one row, any() takes thrice as long.
    if not np.count_nonzero(missing):
        return []
    numeric = [name for name, kind in types.items() if kind in NUMERIC]
    return [
        f"rows.{row}.{name}: {str(rows[row][name])[:50]!r} is not {types[name]}: it is taken as missing"
        for name, row in ((numeric[column], row) for column, row in np.argwhere(missing).tolist())
        if rows[row].get(name) is not None
    ]
