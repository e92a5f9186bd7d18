"""The tensors of a request, and those of the answer."""

import math
from collections.abc import Callable, Sequence
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

    @property
    def datatype(self) -> str:
        """As the protocol names it."""
        return "BYTES" if self.values.dtype == object else "FP64"

    def packed(self) -> bytes:
        """The values as bytes."""
        return packed_texts(self.values) if self.datatype == "BYTES" else self.values.astype("<f8").tobytes()


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
    found: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.values.shape)}
    if not binary:
        return {**found, "data": tensor.values.ravel().tolist()}, b""
    content = tensor.packed()
    return {**found, "parameters": {"binary_data_size": len(content)}}, content


def shaped(where: str, name: str, shape: Sequence[int], values: Array) -> Tensor:
    """A tensor of values that are in a row.

    Raises:
        RequestError: they are not as many as the shape wants.
    """
    if len(values) != math.prod(shape):
        message = f"{where}: shape {list(shape)} wants {math.prod(shape)} values, and there are {len(values)}"
        raise RequestError(400, message)
    return Tensor(name, values.reshape(shape[:1] if len(shape) == 2 and shape[1] == 1 else shape))


def unpacked(where: str, datatype: str, content: bytes) -> Array:
    """The values of bytes.

    Raises:
        RequestError: they are no such values.
    """
    try:
        if datatype == "BYTES":
            return unpacked_texts(content)
        return finite(np.frombuffer(content, BINARY_KINDS[datatype]).astype(float))
    except ValueError as error:
        raise RequestError(400, f"{where}: its {len(content)} bytes are no {datatype}: {error}") from error


def finite(values: Array) -> Array:
    """Numbers; what is infinite is missing, too."""
    return np.where(np.isfinite(values), values, np.nan)


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    known = header_length.isdecimal() and len(header_length) <= _MAX_DIGITS
    if not known or int(header_length) > len(body):
        raise RequestError(400, f"{HEADER_LENGTH}: {header_length!r} is no length within the body's {len(body)} bytes")
    return body[: int(header_length)], body[int(header_length) :]


def _tensor(where: str, tensor: InputTensor, content: bytes) -> Tensor:
    if tensor.parameters.binary_data_size is not None:
        values = unpacked(where, tensor.datatype, content)
    elif tensor.data is None:
        raise RequestError(400, f"{where}: there is no data")
    else:
        values = _from_json(where, tensor)
    return shaped(where, tensor.name, tensor.shape, values)


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
        return finite(np.array(flat, dtype=float))
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
