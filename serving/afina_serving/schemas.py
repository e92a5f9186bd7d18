"""What is asked and answered, as JSON Schema, with the columns and classes of the model."""

from collections.abc import Collection, Mapping
from typing import Any

from afina_serving.answers import RISK_LEVELS
from afina_serving.model import ServedModel
from afina_serving.protocol import InferenceRequest
from afina_serving.rows import IMAGE, PredictRequest

Json = dict[str, Any]

PLACE = "#/components/schemas/"
"""Where an OpenAPI document has them."""

_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_FLAG: Json = {"type": "boolean"}
_COLUMNS: Mapping[str, Json] = {
    "Numeric": {"type": ["number", "null"]},
    "Boolean": {"type": ["boolean", "null"]},
    "Datetime": {"type": ["string", "number", "null"], "description": "ISO 8601, or seconds since 1970"},
}
_IMAGE: Json = {
    "type": ["string", "null"],
    "contentEncoding": "base64",
    "description": "A JPEG or PNG. The columns that are measured of it are left out.",
}
_OTHER_COLUMN: Json = {"type": ["string", "number", "boolean", "null"]}


def reference(name: str) -> Json:
    """To a schema."""
    return {"$ref": PLACE + name}


def schemas(model: ServedModel) -> dict[str, Json]:
    """All of them, by name."""
    return {**_of_rows(model), **_of_tensors(), **_of_health(), "Error": _object({"error": _TEXT})}


def _of_rows(model: ServedModel) -> dict[str, Json]:
    columns = {name: _COLUMNS.get(kind, _OTHER_COLUMN) for name, kind in model.types.items()}
    if model.images:
        columns[IMAGE] = _IMAGE
    request = PredictRequest.model_json_schema()
    request["properties"]["rows"]["items"] = reference("Row")
    answer = {
        "predictions": _list(reference("Prediction")),
        "model_version": _TEXT,
        "revision": _TEXT,
        "processing_time": _NUMBER | {"description": "seconds"},
        "warnings": _list(_TEXT),
    }
    return {
        "Row": _object(columns, optional=columns),
        "PredictRequest": request,
        "Prediction": _of_class(model) if model.classes else _of_number(model),
        "PredictResponse": _object(answer),
    }


def _of_class(model: ServedModel) -> Json:
    label: Json = {"type": "string", "enum": list(model.classes)}
    found = {
        "label": label,
        "probabilities": _object(dict.fromkeys(model.classes, _NUMBER)),
        "set": _list(label),
        "uncertainty": _NUMBER,
        "confidence": _NUMBER,
        "risk_level": {"type": "string", "enum": [word for _, word in RISK_LEVELS]},
    }
    return _object(found | _spread(model), optional=["set"])


def _of_number(model: ServedModel) -> Json:
    found = {"estimate": _NUMBER} | _spread(model)
    if model.predictor.half_width is None:
        return _object(found)
    interval = {**_list(_NUMBER), "minItems": 2, "maxItems": 2}
    return _object(found | {"interval": interval, "uncertainty": _NUMBER})


def _spread(model: ServedModel) -> dict[str, Json]:
    return {"spread": _NUMBER} if model.predictor.has_spread else {}


def _of_tensors() -> dict[str, Json]:
    request = InferenceRequest.model_json_schema(ref_template=PLACE + "{model}")
    tensor = {"name": _TEXT, "datatype": _TEXT, "shape": _list({"type": "integer"})}
    answer = {"model_name": _TEXT, "model_version": _TEXT, "id": _TEXT, "outputs": _list(reference("OutputTensor"))}
    listed = _list(reference("TensorMetadata"))
    model = {"name": _TEXT, "versions": _list(_TEXT), "platform": _TEXT, "inputs": listed, "outputs": listed}
    return {
        **request.pop("$defs"),
        "InferenceRequest": request,
        "OutputTensor": _object({**tensor, "data": {"type": "array"}}),
        "InferenceResponse": _object(answer, optional=["id"]),
        "TensorMetadata": _object(tensor),
        "ModelMetadata": _object(model),
    }


def _of_health() -> dict[str, Json]:
    return {
        "ServerMetadata": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
        "Live": _object({"live": _FLAG}),
        "Ready": _object({"ready": _FLAG}),
        "ModelReady": _object({"name": _TEXT, "ready": _FLAG}),
    }


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}


def _object(properties: Mapping[str, Json], optional: Collection[str] = ()) -> Json:
    """An object of these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
