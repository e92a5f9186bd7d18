"""Tensors of the Open Inference Protocol as protobuf. Pure: from bytes to bytes."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as messages

from afina_models.arrays import Array
from afina_models.predictor import Predictions
from afina_serving import inputs, metadata, tensors
from afina_serving.answers import Answer, Question, outputs, require_outputs
from afina_serving.errors import RequestError
from afina_serving.model import ServedModel
from afina_serving.protocol import Datatype
from afina_serving.tensors import Tensor

_CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where the values of a datatype are. Those of FP16 come as bytes only."""


def infer(model: ServedModel, body: bytes) -> Question:
    """A ModelInferRequest, which is answered in bytes if its tensors came as bytes, else in values.

    Raises:
        RequestError: the request is wrong.
    """
    try:
        request = messages.ModelInferRequest.FromString(body)
    except DecodeError as error:
        raise RequestError(400, f"the message is no ModelInferRequest: {error}") from error
    metadata.require_model(model.identity, request.model_name, request.model_version)
    given = _tensors(request)
    wanted = [output.name for output in request.outputs]
    require_outputs(model, wanted)
    columns = inputs.columns(given, model.types)

    def answer(found: Predictions) -> Answer:
        return Answer.of(_written(model, request, outputs(found, wanted or None)), columns, found)

    return Question(columns, answer)


def _written(model: ServedModel, request: Any, found: Sequence[Tensor]) -> bytes:
    about = {"model_name": model.identity.name, "model_version": model.identity.version, "id": request.id}
    answer = messages.ModelInferResponse(**about)
    for tensor in found:
        output = answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.values.shape)
        if request.raw_input_contents:
            answer.raw_output_contents.append(tensor.packed())
        else:
            _fill(output.contents, tensor)
    content: bytes = answer.SerializeToString()
    return content


def _tensors(request: Any) -> list[Tensor]:
    raw = request.raw_input_contents
    if not request.inputs:
        raise RequestError(400, "inputs: there are none")
    if raw and len(raw) != len(request.inputs):
        raise RequestError(
            400, f"raw_input_contents: {len(request.inputs)} inputs need as many, and there are {len(raw)}"
        )
    return [
        _tensor(f"inputs.{index} ({tensor.name})", tensor, raw[index] if raw else None)
        for index, tensor in enumerate(request.inputs)
    ]


def _tensor(where: str, tensor: Any, content: bytes | None) -> Tensor:
    if tensor.datatype not in get_args(Datatype):
        raise RequestError(400, f"{where}: datatype: there is no {tensor.datatype!r}")
    if not tensor.shape or min(tensor.shape) < 0:
        raise RequestError(400, f"{where}: shape: {list(tensor.shape)} is none")
    if content is None:
        values = _contents(where, tensor)
    elif tensor.HasField("contents"):
        raise RequestError(400, f"{where}: there are contents, and raw_input_contents too")
    else:
        values = tensors.unpacked(where, tensor.datatype, content)
    return tensors.shaped(where, tensor.name, tensor.shape, values)


def _contents(where: str, tensor: Any) -> Array:
    if tensor.datatype not in _CONTENTS:
        raise RequestError(400, f"{where}: {tensor.datatype} comes in raw_input_contents")
    found = getattr(tensor.contents, _CONTENTS[tensor.datatype])
    if tensor.datatype != "BYTES":
        return tensors.finite(np.array(found, dtype=float))
    try:
        return np.array([text.decode() for text in found], dtype=object)
    except UnicodeDecodeError as error:
        raise RequestError(400, f"{where}: {error}") from error


def _fill(contents: Any, tensor: Tensor) -> None:
    if tensor.datatype == "BYTES":
        contents.bytes_contents.extend(str(value).encode() for value in tensor.values.ravel())
    else:
        contents.fp64_contents.extend(tensor.values.ravel())
