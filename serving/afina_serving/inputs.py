"""From the tensors of a request to the columns of the model."""

from collections.abc import Mapping, Sequence

import numpy as np

from afina_models.arrays import Array
from afina_models.columns import NUMERIC, Columns, as_number, as_text
from afina_serving.errors import RequestError
from afina_serving.settings import MAX_ROWS
from afina_serving.tensors import Tensor

COLUMN_DATATYPES = {"Numeric": "FP64", "Boolean": "BOOL"}
"""Of the columns' types, as the metadata has them; of all others BYTES."""


def columns(tensors: Sequence[Tensor], types: Mapping[str, str]) -> Columns:
    """The model's columns from one tensor each, or from one matrix of all of them.

    Raises:
        RequestError: a column is missing, unknown, or of another kind; or they differ in length.
    """
    if len(tensors) == 1 and tensors[0].name not in types:
        return _from_matrix(tensors[0], types)
    found = {tensor.name: tensor for tensor in tensors}
    if len(found) < len(tensors):
        raise RequestError(400, "inputs: a name comes twice")
    for name in [*types, *found]:
        if name not in found:
            raise RequestError(400, f"inputs: the column {name!r} is missing")
        if name not in types:
            raise RequestError(400, f"inputs: the model has no column {name!r}; it has {', '.join(types)}")
    rows = {len(tensor.values) for tensor in tensors}
    if len(rows) > 1:
        raise RequestError(400, f"inputs: the columns have {min(rows)} to {max(rows)} rows: they need the same number")
    _require_rows(rows.pop())
    return {name: _column(found[name], kind) for name, kind in types.items()}


def _from_matrix(tensor: Tensor, types: Mapping[str, str]) -> Columns:
    values = tensor.values.reshape(-1, 1) if tensor.values.ndim == 1 and len(types) == 1 else tensor.values
    if not all(kind in NUMERIC for kind in types.values()):
        raise RequestError(400, f"inputs: the model has no column {tensor.name!r}; it has {', '.join(types)}")
    if values.ndim != 2 or values.shape[1] != len(types) or values.dtype == object:
        message = f"inputs: {tensor.name!r} is no column, and no matrix of numbers with {len(types)} columns"
        raise RequestError(400, f"{message}: {', '.join(types)}")
    _require_rows(len(values))
    return dict(zip(types, values.T, strict=True))


def _column(tensor: Tensor, kind: str) -> Array:
    values = tensor.values
    if values.ndim != 1:
        raise RequestError(400, f"inputs: the shape of {tensor.name!r} must be [rows] or [rows, 1]")
    texts = values.dtype == object
    if kind not in NUMERIC:
        return values if texts else np.array([as_text(value) for value in values.tolist()], dtype=object)
    if texts and kind == "Datetime":
        return _moments(tensor)
    if texts:
        raise RequestError(400, f"inputs: {tensor.name!r} is {kind}: it wants numbers, not BYTES")
    return values


def _moments(tensor: Tensor) -> Array:
    texts = tensor.values.tolist()
    found = np.array([as_number(value, "Datetime") for value in texts], dtype=float)
    for row in np.flatnonzero(np.isnan(found)).tolist():
        if texts[row] is not None:
            raise RequestError(
                400, f"inputs: {tensor.name!r}: value {row} is {texts[row]!r}: write 2025-01-31T12:00:00Z"
            )
    return found


def _require_rows(rows: int) -> None:
    if not 1 <= rows <= MAX_ROWS:
        raise RequestError(400 if rows < 1 else 413, f"a request may have 1 to {MAX_ROWS} rows, and this has {rows}")
