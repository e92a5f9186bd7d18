"""What a request for predictions asks the model, and how its answer is written. Pure: from bytes to bytes."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from pydantic_core import to_json

from afina_models.arrays import Array
from afina_models.columns import Columns
from afina_models.predictor import Predictions
from afina_serving import inputs, metadata, tensors
from afina_serving.binary import HEADER_LENGTH
from afina_serving.errors import RequestError
from afina_serving.model import ServedModel
from afina_serving.protocol import InferenceRequest, RequestedOutput
from afina_serving.rows import IMAGE_TYPES, read_image, read_rows
from afina_serving.sketch import bins
from afina_serving.tensors import Tensor

RISK_LEVELS = ((0.85, "low"), (0.70, "medium"), (0.50, "high"), (0.0, "very_high"))
"""By the probability of the answer, from so much on."""
_AS_JSON = MappingProxyType({"Content-Type": "application/json"})


@dataclass(frozen=True)
class Answer:
    """The reply, and what is counted and kept of it."""

    content: bytes
    headers: Mapping[str, str]
    columns: Columns
    found: Predictions
    bins: Mapping[str, int]
    """Rows by class or range."""
    uncertainties: Sequence[float]
    """Of the rows."""

    @classmethod
    def of(
        cls, content: bytes, columns: Columns, found: Predictions, headers: Mapping[str, str] = _AS_JSON
    ) -> "Answer":
        """The reply, with its rows counted."""
        if found.labels is None:
            return cls(content, headers, columns, found, bins(found.values.tolist()), ())
        doubts = (1 - confidence(found.values)).tolist()
        return cls(content, headers, columns, found, Counter(found.labels), doubts)


@dataclass(frozen=True)
class Question:
    """A request that has been read."""

    columns: Columns
    """What the model is asked."""
    answer: Callable[[Predictions], Answer]
    """Writes what it says."""


Reading = Callable[[ServedModel, bytes], Question]
"""From the body of a request; raises RequestError where that is wrong."""


def predict(model: ServedModel, body: bytes) -> Question:
    """Rows of JSON: `/predict`.

    Raises:
        RequestError: the request is wrong.
    """
    began = time.perf_counter()
    return _told(model, *read_rows(body, model.types, model.images), began)


def predict_image(model: ServedModel, body: bytes, content_type: str) -> Question:
    """An image: `/predict`, too.

    Raises:
        RequestError: the request is wrong, or the model did not learn from images.
    """
    began = time.perf_counter()
    if model.images is None:
        raise RequestError(415, "content-type: the model did not learn from images: send rows as application/json")
    if content_type not in IMAGE_TYPES:
        raise RequestError(415, f"content-type: an image may be {' or '.join(IMAGE_TYPES)}, not {content_type}")
    return _told(model, *read_image(body, model.types, model.images), began)


def _told(model: ServedModel, columns: Columns, warnings: Sequence[str], began: float) -> Question:
    def answer(found: Predictions) -> Answer:
        said = _of_classes(found, model.classes) if model.classes else _of_numbers(found)
        if found.spread is not None:
            said = [{**one, "spread": apart} for one, apart in zip(said, found.spread.tolist(), strict=True)]
        told = {
            "predictions": said,
            "model_version": model.identity.version,
            "revision": model.identity.revision,
            "processing_time": time.perf_counter() - began,
            "warnings": warnings,
        }
        return Answer.of(to_json(told), columns, found)

    return Question(columns, answer)


def infer(model: ServedModel, body: bytes, header_length: str | None = None) -> Question:
    """Tensors of the Open Inference Protocol, as JSON with or without bytes after it.

    Raises:
        RequestError: the request is wrong.
    """
    request, given = tensors.read_request(body, header_length)
    asked = None if request.outputs is None else {output.name: output for output in request.outputs}
    require_outputs(model, asked or ())
    columns = inputs.columns(given, model.types)

    def answer(found: Predictions) -> Answer:
        text, data = _written(model, request, outputs(found, asked), asked or {})
        if not data:
            return Answer.of(text, columns, found)
        headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(text))}
        return Answer.of(text + data, columns, found, headers)

    return Question(columns, answer)


def require_outputs(model: ServedModel, names: Iterable[str]) -> None:
    """See to it that the model has outputs of these names.

    Raises:
        RequestError: it has not.
    """
    known = {tensor["name"] for tensor in metadata.outputs(model)}
    for name in names:
        if name not in known:
            raise RequestError(400, f"outputs: there is no {name!r}; there are {', '.join(sorted(known))}")


def outputs(found: Predictions, wanted: Collection[str] | None) -> list[Tensor]:
    """What the model says as tensors: those that are wanted, or all."""
    return [tensor for tensor in _outputs(found) if wanted is None or tensor.name in wanted]


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
    found: Sequence[Tensor],
    asked: Mapping[str, RequestedOutput],
) -> tuple[bytes, bytes]:
    """The JSON, and the bytes that come after it."""
    told, contents = [], []
    for tensor in found:
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
        told = [Tensor("predict", np.array(found.labels, dtype=object)), Tensor("probabilities", found.values)]
    else:
        told = [Tensor("predict", found.values)]
    if found.half_width is not None:
        told.append(Tensor("lower", found.values - found.half_width))
        told.append(Tensor("upper", found.values + found.half_width))
    if found.spread is not None:
        told.append(Tensor("spread", found.spread))
    return told
