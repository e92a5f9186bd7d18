"""What is answered to a request for predictions, in both protocols. Pure: from bytes to bytes."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic_core import to_json

from afina_models.arrays import Array
from afina_models.predictor import Predictions
from afina_serving import inputs, metadata, tensors
from afina_serving.binary import HEADER_LENGTH
from afina_serving.errors import RequestError
from afina_serving.model import ServedModel
from afina_serving.protocol import InferenceRequest, RequestedOutput
from afina_serving.rows import read_rows
from afina_serving.sketch import bins
from afina_serving.tensors import Tensor

RISK_LEVELS = ((0.85, "low"), (0.70, "medium"), (0.50, "high"), (0.0, "very_high"))
"""By the probability of the answer, from so much on."""
_JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """The reply, and what is counted of it."""

    content: bytes
    bins: Mapping[str, int]
    uncertainties: Sequence[float]
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": _JSON})


Answering = Callable[[ServedModel, bytes], Answer]
"""From the body of a request to the answer."""


def predict(model: ServedModel, body: bytes) -> Answer:
    """Answer rows of JSON: `/predict`.

    Raises:
        RequestError: the request is wrong, or the model's answer is.
    """
    began = time.perf_counter()
    columns, warnings = read_rows(body, model.types)
    found = model.predict(columns)
    answer = {
        "predictions": _of_classes(found, model.classes) if model.classes else _of_numbers(found),
        "model_version": model.identity.version,
        "revision": model.identity.revision,
        "processing_time": time.perf_counter() - began,
        "warnings": warnings,
    }
    return Answer(to_json(answer), *counted(found))


def infer(model: ServedModel, body: bytes, header_length: str | None = None) -> Answer:
    """Answer tensors of the Open Inference Protocol, as JSON with or without bytes after it.

    Raises:
        RequestError: the request is wrong, or the model's answer is.
    """
    request, given = tensors.read_request(body, header_length)
    asked = None if request.outputs is None else {output.name: output for output in request.outputs}
    outputs, found = inferred(model, given, asked)
    text, data = _written(model, request, outputs, asked or {})
    if not data:
        return Answer(text, *counted(found))
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
    return Answer(text + data, *counted(found), headers)


def inferred(
    model: ServedModel, given: Sequence[Tensor], wanted: Collection[str] | None
) -> tuple[list[Tensor], Predictions]:
    """The outputs that are wanted, by their names, or all.

    Raises:
        RequestError: the request is wrong, or the model's answer is.
    """
    known = {tensor["name"] for tensor in metadata.outputs(model)}
    for name in wanted or ():
        if name not in known:
            raise RequestError(400, f"outputs: there is no {name!r}; there are {', '.join(sorted(known))}")
    found = model.predict(inputs.columns(given, model.types))
    return [tensor for tensor in _outputs(found) if wanted is None or tensor.name in wanted], found


def counted(found: Predictions) -> tuple[Mapping[str, int], Sequence[float]]:
    """The rows by bin, and their uncertainties."""
    if found.labels is None:
        return bins(found.values.tolist()), ()
    return Counter(found.labels), (1 - confidence(found.values)).tolist()


def confidence(probabilities: Array) -> Array:
    """1 for certainty, 0 where all classes are equally probable: 1 less the entropy, in units of its greatest value."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return np.asarray(np.clip(1 + (probabilities * logs).sum(axis=1) / math.log(probabilities.shape[1]), 0, 1))


def risk_level(probability: float) -> str:
    """How risky it is to rely on an answer of this probability."""
    return next(word for least, word in RISK_LEVELS if probability >= least)


def _of_classes(found: Predictions, classes: Sequence[str]) -> list[dict[str, Any]]:
    labels, certain = found.labels or [], confidence(found.values).tolist()
    answers = []
    for row, chances in enumerate(found.values.tolist()):
        known = dict(zip(classes, chances, strict=True))
        answer = {"label": labels[row], "probabilities": known}
        if found.sets is not None:
            answer["set"] = [name for name, member in zip(classes, found.sets[row], strict=True) if member]
        answer |= {"uncertainty": 1 - certain[row], "confidence": certain[row]}
        answers.append(answer | {"risk_level": risk_level(known[labels[row]])})
    return answers


def _of_numbers(found: Predictions) -> list[dict[str, Any]]:
    reach = found.half_width
    if reach is None:
        return [{"estimate": value} for value in found.values.tolist()]
    return [
        {"estimate": value, "interval": [value - reach, value + reach], "uncertainty": reach}
        for value in found.values.tolist()
    ]


def _written(
    model: ServedModel,
    request: InferenceRequest,
    outputs: Sequence[Tensor],
    asked: Mapping[str, RequestedOutput],
) -> tuple[bytes, bytes]:
    """The JSON, and the bytes that come after it."""
    told, contents = [], []
    for tensor in outputs:
        wanted = asked[tensor.name].parameters.binary_data if tensor.name in asked else None
        binary = request.parameters.binary_data_output if wanted is None else wanted
        about, content = tensors.output_tensor(tensor, binary=binary)
        told.append(about)
        contents.append(content)
    answer: dict[str, Any] = {"model_name": model.identity.name, "model_version": model.identity.version}
    if request.id is not None:
        answer["id"] = request.id
    return to_json({**answer, "outputs": told}), b"".join(contents)


def _outputs(found: Predictions) -> list[Tensor]:
    if found.labels is not None:
        return [Tensor("predict", np.array(found.labels, dtype=object)), Tensor("probabilities", found.values)]
    numbers = [Tensor("predict", found.values)]
    if found.half_width is not None:
        numbers.append(Tensor("lower", found.values - found.half_width))
        numbers.append(Tensor("upper", found.values + found.half_width))
    return numbers
