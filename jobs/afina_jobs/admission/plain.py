"""A model as MLflow's flavors for XGBoost, LightGBM and ONNX keep it. No code of it is run, and no pickle is read."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.models import Model, ModelSignature
from mlflow.types import DataType

from afina_jobs.admission import graphs
from afina_jobs.admission.foreign import AdmissionError, Foreign

_TYPES = {
    DataType.boolean: "Boolean",
    DataType.integer: "Numeric",
    DataType.long: "Numeric",
    DataType.float: "Numeric",
    DataType.double: "Numeric",
}
_SIGNATURE = "log it with signature=infer_signature(X, model.predict(X)), where X is a DataFrame"


@dataclass(frozen=True)
class Flavor:
    """One of MLflow's ways to keep a model."""

    family: str
    """Which format of ours it becomes."""
    files: Sequence[str]
    """Names of files that can be read safely."""
    remedy: str
    """For a model that is in another file."""
    read: Callable[[Path, str], Foreign]
    """From the file and the name of the model's class."""


@dataclass(frozen=True)
class Plain:
    """What an MLmodel says."""

    flavor: Flavor
    file: str
    """With the model."""
    model_class: str
    types: Mapping[str, str]
    """The columns, in the order of the model's features."""


def described(mlmodel: Path) -> Plain:
    """What an MLmodel says.

    Raises:
        AdmissionError: the model is of another flavor, or in a file that is not safe to read, or has no named columns.
    """
    try:
        model = Model.load(str(mlmodel))
        flavors = {str(name): dict(about) for name, about in model.flavors.items()}
    except Exception as error:  # whatever MLflow may raise
        raise AdmissionError(f"its MLmodel cannot be read: {error!r}") from error
    known = [name for name in FLAVORS if name in flavors]
    if not known:
        raise AdmissionError(
            f"its flavors are {', '.join(sorted(flavors))}: only {', '.join(FLAVORS)} are admitted, since others "
            "need pickle or code to be read. Log it by one of these, or let an AutoMLJob learn it"
        )
    flavor, about = FLAVORS[known[0]], flavors[known[0]]
    if about.get("data") not in flavor.files:
        raise AdmissionError(
            f"its flavor {known[0]} has the model in {about.get('data')!r}, which is not read: {flavor.remedy}"
        )
    return Plain(flavor, about["data"], str(about.get("model_class")), _types(model.signature))


def read(plain: Plain, file: Path) -> Foreign:
    """The model.

    Args:
        plain: what the MLmodel says.
        file: with the model.

    Raises:
        AdmissionError: it cannot be read, or its features are not the columns of the signature.
    """
    try:
        found = plain.flavor.read(file, plain.model_class)
    except AdmissionError:
        raise
    except Exception as error:  # whatever the library may raise
        raise AdmissionError(f"{plain.file} cannot be read: {error!r}") from error
    if found.has_categories:
        raise AdmissionError("it learned from columns of categories: encode them as numbers before it learns")
    columns = list(plain.types)
    if found.count != len(columns):
        raise AdmissionError(f"it has {found.count} features, and its signature {len(columns)} columns: {_SIGNATURE}")
    if found.columns and _underlined(found.columns) != _underlined(columns):
        raise AdmissionError(
            f"its features are {', '.join(found.columns)}, and the columns of its signature {', '.join(columns)}: "
            f"{_SIGNATURE}"
        )
    return found


def _underlined(names: Sequence[str]) -> list[str]:
    """As LightGBM writes them."""
    return [name.replace(" ", "_") for name in names]


def _types(signature: ModelSignature | None) -> dict[str, str]:
    schema = signature.inputs if signature else None
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        raise AdmissionError(f"its signature names no columns: {_SIGNATURE}")
    return {column.name: _type(column.name, column.type) for column in schema.inputs}


def _type(name: str, kind: Any) -> str:
    if not isinstance(kind, DataType) or kind not in _TYPES:
        raise AdmissionError(f"its column {name!r} is {kind}: only numbers and Booleans are admitted")
    return _TYPES[kind]


def _xgboost(file: Path, model_class: str) -> Foreign:
    import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=file)
    best = booster.attr("best_iteration")
    # After an early stop the estimators leave out the last rounds, a Booster by itself does not.
    if best is not None and model_class.startswith("xgboost.sklearn."):
        booster = booster[: int(best) + 1]
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    categories = "c" in (booster.feature_types or ())
    return Foreign(objective, booster.feature_names or (), booster.num_features(), categories, booster.save_model)


def _lightgbm(file: Path, _model_class: str) -> Foreign:
    import lightgbm

    booster = lightgbm.Booster(model_file=file)
    count = booster.num_feature()
    names = booster.feature_name()
    nameless = names == [f"Column_{index}" for index in range(count)]
    header = file.read_text().partition("\n\n")[0].splitlines()
    objective = next((line.partition("=")[2].split()[0] for line in header if line.startswith("objective=")), "")
    return Foreign(objective, () if nameless else names, count, bool(booster.pandas_categorical), booster.save_model)


FLAVORS: Mapping[str, Flavor] = {
    "xgboost": Flavor("XGBoost", ("model.ubj", "model.json"), "log it with model_format='ubj'", _xgboost),
    "lightgbm": Flavor(
        "LightGBM", ("model.lgb",), "log its Booster (model.booster_), which is kept as text", _lightgbm
    ),
    "onnx": Flavor("ONNX", ("model.onnx",), "log it by mlflow.onnx", graphs.read),
}
"""Those that are admitted."""
