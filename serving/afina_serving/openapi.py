"""The server's paths as an OpenAPI 3.1 document, with the columns of its model."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from afina_serving import metadata
from afina_serving.model import ServedModel
from afina_serving.rows import IMAGE, IMAGE_TYPES
from afina_serving.schemas import Json, reference, schemas

_EXAMPLES: Mapping[str, Any] = {"Numeric": 1.5, "Boolean": True, "Datetime": "2025-01-31T12:00:00Z"}
"""By the type of the column; of others a text."""
_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"
"""One grey pixel as PNG."""
_ERRORS = {
    "400": "The request is malformed.",
    "408": "The body did not arrive in time.",
    "413": "The body is too long, or has too many rows, or images of too many pixels.",
    "415": "The body is compressed, or is an image that the model does not take.",
    "429": "Too many predictions are waiting.",
    "500": "The model failed.",
    "504": "The prediction took too long.",
}


def document(model: ServedModel) -> Json:
    """The document."""
    identity = model.identity
    return {
        "openapi": "3.1.0",
        "info": {"title": identity.name, "version": identity.version, "description": f"Revision {identity.revision}."},
        # Next to the document, wherever a gateway has put it.
        "servers": [{"url": "."}],
        "paths": _predictions(model) | _health(model),
        "components": {"schemas": schemas(model)},
    }


def _predictions(model: ServedModel) -> Json:
    row = {name: _EXAMPLES.get(kind, "text") for name, kind in model.types.items()}
    about = metadata.about_model(model)["inputs"]
    tensors = [{**tensor, "shape": [1], "data": [row[tensor["name"]]]} for tensor in about]
    wrong = _ERRORS | {"422": "The model has no such column, or its value is a list or an object, or an image is none."}
    shown = _without_measured(model, row)
    found = {"/predict": _post("Predict rows.", "PredictRequest", {"rows": [shown]}, "PredictResponse", wrong)}
    if model.images:
        found["/predict"]["post"]["requestBody"]["content"] |= {kind: {"schema": {}} for kind in IMAGE_TYPES}
    for place in _places(model):
        found[f"{place}/infer"] = _post(
            "Predict tensors: the Open Inference Protocol.",
            "InferenceRequest",
            {"inputs": tensors},
            "InferenceResponse",
            _ERRORS,
        )
    return found


def _without_measured(model: ServedModel, row: Json) -> Json:
    """The row with an image in place of the columns that are measured of it."""
    if model.images is None:
        return row
    measured = {name for names in model.images.learned.columns.values() for name in names}
    return {name: value for name, value in row.items() if name not in measured} | {IMAGE: _IMAGE}


def _health(model: ServedModel) -> Json:
    found: Json = {}
    for place in _places(model):
        found[place] = _get("The tensors of the model.", _content("ModelMetadata"))
        found[f"{place}/ready"] = _get("Whether the model is ready.", _content("ModelReady"), ready="ModelReady")
    text = {"text/plain": {"schema": {"type": "string"}}}
    return found | {
        "/v2": _get("The server.", _content("ServerMetadata")),
        "/v2/health/live": _get("Whether the server is alive.", _content("Live")),
        "/v2/health/ready": _get("Whether the server is ready.", _content("Ready"), ready="Ready"),
        "/metrics": _get("Its counters, as Prometheus reads them.", text),
    }


def _places(model: ServedModel) -> tuple[str, str]:
    """Of the model, and of its version."""
    place = f"/v2/models/{quote(model.identity.name)}"
    return place, f"{place}/versions/{quote(model.identity.version)}"


def _post(summary: str, asked: str, example: Json, answer: str, errors: Mapping[str, str]) -> Json:
    (media,) = found = _content(asked)
    found[media]["example"] = example
    refusals = {status: {"description": why, "content": _content("Error")} for status, why in errors.items()}
    responses = {"200": {"description": "The predictions.", "content": _content(answer)}, **refusals}
    body = {"required": True, "content": found}
    return {"post": {"summary": summary, "requestBody": body, "responses": responses}}


def _get(summary: str, content: Json, ready: str | None = None) -> Json:
    responses = {"200": {"description": summary, "content": content}}
    if ready:
        responses["503"] = {"description": "It is about to end.", "content": _content(ready)}
    return {"get": {"summary": summary, "responses": responses}}


def _content(schema: str) -> Json:
    return {"application/json": {"schema": reference(schema)}}
