"""The Open Inference Protocol, version 2: tensors of a request as columns, and predictions as tensors.

https://github.com/kserve/open-inference-protocol, with Triton's binary tensor data beside JSON.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from afina_models.arrays import Array
from afina_models.columns import NUMERIC, Columns, as_number, as_text
from afina_serving.binary import BINARY_KINDS, HEADER_LENGTH, packed_texts, unpacked_texts
from afina_serving.errors import RequestError

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
COLUMN_DATATYPES = {"Numeric": "FP64", "Boolean": "BOOL"}
"""Of the columns' types, as the metadata has them; of all others BYTES."""
_MAX_PROBLEMS = 5


class Parameters(BaseModel):
    """Those that mean something here; others are ignored."""

    binary_data_size: Annotated[int, Field(ge=0)] | None = None
    binary_data: bool | None = None
    binary_data_output: bool = False


class InputTensor(BaseModel):
    """A tensor of the request."""

    name: str
    shape: list[Annotated[int, Field(ge=0)]]
    datatype: Datatype
    parameters: Parameters = Parameters()
    data: list[Any] | None = None


class RequestedOutput(BaseModel):
    """A tensor that the client wants."""

    name: str
    parameters: Parameters = Parameters()


class InferenceRequest(BaseModel):
    """The request."""

    id: str | None = None
    parameters: Parameters = Parameters()
    inputs: Annotated[list[InputTensor], Field(min_length=1)]
    outputs: list[RequestedOutput] | None = None


@dataclass(frozen=True)
class Tensor:
    """A named array: numbers as float, texts as object."""

    name: str
    values: Array


def read_request(body: bytes, header_length: str | None) -> tuple[InferenceRequest, list[Tensor]]:
    """The request, and its tensors.

    Args:
        body: of the request.
        header_length: of the JSON, as its HTTP header says it, where binary data comes after it.

    Raises:
        RequestError: it is no request, or a tensor is not what it says.
    """
    header, rest = _split(body, header_length)
    try:
        request = InferenceRequest.model_validate_json(header)
    except ValidationError as error:
        raise RequestError(400, "; ".join(map(_problem, error.errors()[:_MAX_PROBLEMS]))) from error
    tensors = []
    for index, tensor in enumerate(request.inputs):
        size = tensor.parameters.binary_data_size or 0
        tensors.append(_tensor(f"inputs.{index} ({tensor.name})", tensor, rest[:size]))
        rest = rest[size:]
    if rest:
        raise RequestError(400, f"{len(rest)} bytes come after the last tensor: see binary_data_size")
    return request, tensors


def columns(tensors: Sequence[Tensor], types: Mapping[str, str], max_rows: int) -> Columns:
    """The model's columns from one tensor each, or from one matrix of all of them.

    Raises:
        RequestError: a column is missing, unknown, or of another kind; or they differ in length.
    """
    if len(tensors) == 1 and tensors[0].name not in types:
        return _from_matrix(tensors[0], types, max_rows)
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
    _require_rows(rows.pop(), max_rows)
    return {name: _column(found[name], kind) for name, kind in types.items()}


def output_tensor(tensor: Tensor, *, binary: bool) -> tuple[dict[str, Any], bytes]:
    """A tensor of the answer as JSON, and its bytes where they are wanted outside of it."""
    texts = tensor.values.dtype == object
    found: dict[str, Any] = {
        "name": tensor.name,
        "datatype": "BYTES" if texts else "FP64",
        "shape": list(tensor.values.shape),
    }
    if not binary:
        return {**found, "data": tensor.values.ravel().tolist()}, b""
    content = packed_texts(tensor.values) if texts else tensor.values.astype("<f8").tobytes()
    return {**found, "parameters": {"binary_data_size": len(content)}}, content


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    if not header_length.isdecimal() or int(header_length) > len(body):
        raise RequestError(400, f"{HEADER_LENGTH}: {header_length!r} is no length within the body's {len(body)} bytes")
    return body[: int(header_length)], body[int(header_length) :]


def _tensor(where: str, tensor: InputTensor, content: bytes) -> Tensor:
    count = math.prod(tensor.shape)
    if tensor.parameters.binary_data_size is not None:
        values = _from_bytes(where, tensor, content)
    elif tensor.data is None:
        raise RequestError(400, f"{where}: there is no data")
    else:
        values = _from_json(where, tensor)
    if len(values) != count:
        raise RequestError(400, f"{where}: shape {tensor.shape} wants {count} values, and there are {len(values)}")
    return Tensor(tensor.name, values.reshape(_squeezed(tensor.shape)))


def _squeezed(shape: list[int]) -> list[int]:
    return shape[:1] if len(shape) == 2 and shape[1] == 1 else shape


def _from_json(where: str, tensor: InputTensor) -> Array:
    flat = _flat(tensor.data or [])
    if tensor.datatype == "BYTES":
        _require(where, "BYTES", flat, lambda value: isinstance(value, str))
        return np.array(flat, dtype=object)
    if tensor.datatype == "BOOL":
        _require(where, "BOOL", flat, lambda value: isinstance(value, bool))
    else:
        _require(where, tensor.datatype, flat, lambda value: type(value) in (int, float))
    try:
        return _finite(np.array(flat, dtype=float))
    except OverflowError as error:
        raise RequestError(400, f"{where}: {error}") from error


def _flat(data: list[Any]) -> list[Any]:
    while data and isinstance(data[0], list):
        data = [value for part in data for value in (part if isinstance(part, list) else [part])]
    return data


def _require(where: str, datatype: str, values: list[Any], suits: Any) -> None:
    """A value that is null is missing."""
    for index, value in enumerate(values):
        if value is not None and not suits(value):
            raise RequestError(400, f"{where}: value {index} is {value!r}, which is no {datatype}")


def _from_bytes(where: str, tensor: InputTensor, content: bytes) -> Array:
    try:
        if tensor.datatype == "BYTES":
            return unpacked_texts(content)
        return _finite(np.frombuffer(content, BINARY_KINDS[tensor.datatype]).astype(float))
    except ValueError as error:
        raise RequestError(400, f"{where}: its {len(content)} bytes are no {tensor.datatype}: {error}") from error


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def _from_matrix(tensor: Tensor, types: Mapping[str, str], max_rows: int) -> Columns:
    values = tensor.values.reshape(-1, 1) if tensor.values.ndim == 1 and len(types) == 1 else tensor.values
    if not all(kind in NUMERIC for kind in types.values()):
        raise RequestError(400, f"inputs: the model has no column {tensor.name!r}; it has {', '.join(types)}")
    if values.ndim != 2 or values.shape[1] != len(types) or values.dtype == object:
        message = f"inputs: {tensor.name!r} is no column, and no matrix of numbers with {len(types)} columns"
        raise RequestError(400, f"{message}: {', '.join(types)}")
    _require_rows(len(values), max_rows)
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


def _require_rows(rows: int, max_rows: int) -> None:
    if not 1 <= rows <= max_rows:
        raise RequestError(400 if rows < 1 else 413, f"a request may have 1 to {max_rows} rows, and this has {rows}")


def _problem(error: Any) -> str:
    return f"{'.'.join(map(str, error['loc'])) or 'the body'}: {error['msg']}"
