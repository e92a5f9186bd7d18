"""The tensors of a request, and those of the answer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from afina_models.arrays import Array
from afina_serving.binary import BINARY_KINDS, HEADER_LENGTH, packed_texts, unpacked_texts
from afina_serving.body import read
from afina_serving.errors import RequestError
from afina_serving.protocol import InferenceRequest, InputTensor

_MAX_DIGITS = 12


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
    request = read(InferenceRequest, header, wrong=400)
    tensors = []
    for index, tensor in enumerate(request.inputs):
        size = tensor.parameters.binary_data_size or 0
        tensors.append(_tensor(f"inputs.{index} ({tensor.name})", tensor, rest[:size]))
        rest = rest[size:]
    if rest:
        raise RequestError(400, f"{len(rest)} bytes come after the last tensor: see binary_data_size")
    return request, tensors


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
    known = header_length.isdecimal() and len(header_length) <= _MAX_DIGITS
    if not known or int(header_length) > len(body):
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


def _require(where: str, datatype: str, values: list[Any], suits: Callable[[Any], bool]) -> None:
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
