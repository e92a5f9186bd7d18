"""What the server says of itself and of its model, by either protocol."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from afina_serving.errors import RequestError
from afina_serving.inputs import COLUMN_DATATYPES
from afina_serving.model import ServedModel
from afina_serving.settings import Identity


def about_server() -> dict[str, Any]:
    """The server and the extensions of the protocol that it knows."""
    return {"name": "afina", "version": version("afina"), "extensions": ["binary_tensor_data"]}


def about_model(model: ServedModel) -> dict[str, Any]:
    """The model, and the tensors that it takes and gives."""
    inputs = [
        {"name": name, "datatype": COLUMN_DATATYPES.get(kind, "BYTES"), "shape": [-1]}
        for name, kind in model.types.items()
    ]
    about = {"name": model.identity.name, "versions": [model.identity.version], "platform": "afina"}
    return {**about, "inputs": inputs, "outputs": outputs(model)}


def outputs(model: ServedModel) -> list[dict[str, Any]]:
    """The tensors that the model answers with."""
    spread = ["spread"] if model.predictor.has_spread else []
    if model.classes:
        return [
            {"name": "predict", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(model.classes)]},
            *_numbers(spread),
        ]
    interval = ["lower", "upper"] if model.predictor.half_width is not None else []
    return _numbers(["predict", *interval, *spread])


def require_model(identity: Identity, name: str, version: str) -> None:
    """See to it that the model is this one; any version will do where none is named.

    Raises:
        RequestError: it is not.
    """
    if name != identity.name:
        raise RequestError(404, f"there is no model {name!r}: this server has {identity.name!r}")
    if version not in ("", identity.version):
        raise RequestError(404, f"there is no version {version!r}: this server has {identity.version!r}")


def _numbers(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"name": name, "datatype": "FP64", "shape": [-1]} for name in names]
