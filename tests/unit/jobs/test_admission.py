"""What becomes of models that MLflow's own flavors have saved, and which of them are refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import mlflow.lightgbm
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import pandas as pd
import pytest
import xgboost
from click.testing import CliRunner
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema
from sklearn.linear_model import LinearRegression

from afina_jobs.admission.admit import write
from afina_jobs.admission.foreign import AdmissionError
from afina_jobs.admission.plain import Plain, described, read
from afina_jobs.cli import main
from afina_models.arrays import Array
from afina_models.columns import from_rows
from afina_models.predictor import Predictor

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")  # MLflow's, of its own code

TYPES = {"area": "Numeric", "time": "Numeric", "garden": "Boolean"}
_RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "area": np.where(_RNG.random(300) < 0.1, np.nan, _RNG.normal(size=300)),
        # Seconds since 1970: as 32 bits, those of two minutes are one number.
        "time": 1.7e9 + _RNG.permutation(300),
        "garden": _RNG.random(300) < 0.5,
    }
)
NUMBERS = FRAME["time"] % 300 + FRAME["area"].fillna(0) + FRAME["garden"]
TWO, THREE = (NUMBERS > 150).astype(int), np.digitize(NUMBERS, [100, 200])
SIGNATURE = infer_signature(FRAME, NUMBERS)


def xgb(target: Any, **params: Any) -> xgboost.Booster:
    return xgboost.train({"max_depth": 3, **params}, xgboost.DMatrix(FRAME, target), 5)


def lgb(target: Any, frame: pd.DataFrame = FRAME, **params: Any) -> lightgbm.Booster:
    wanted = {"min_data_in_leaf": 1, "verbose": -1, "num_threads": 1, **params}
    return lightgbm.train(wanted, lightgbm.Dataset(frame, target), 20)


def saved(model: Any, folder: Path, **options: Any) -> Path:
    """A model as MLflow saves it."""
    flavor: Any = mlflow.lightgbm if type(model).__module__.startswith("lightgbm") else mlflow.xgboost
    wanted = {"signature": SIGNATURE, "pip_requirements": ["numpy"], **options}
    flavor.save_model(model, str(folder / "model"), **wanted)
    return folder / "model"


def admitted(folder: Path, classes: Sequence[str] = ()) -> Predictor:
    plain = described(folder / "MLmodel")
    found = write(plain, read(plain, folder / plain.file), classes, folder / "work", folder / "afina")
    return Predictor.load(folder / "afina", found.digest)


def an_early_stop(_target: Any) -> xgboost.XGBRegressor:
    stopping = xgboost.XGBRegressor(n_estimators=50, early_stopping_rounds=1, learning_rate=1.0)
    noise = np.random.default_rng(1).normal(size=300)
    return stopping.fit(FRAME, noise, eval_set=[(FRAME, noise[::-1])], verbose=False)


def by_booster(model: Any) -> Array:
    return np.asarray(model.predict(xgboost.DMatrix(FRAME)))


def by_estimator(model: Any) -> Array:
    return np.asarray(model.predict_proba(FRAME) if hasattr(model, "predict_proba") else model.predict(FRAME))


Fit = Callable[[], Any]
Predict = Callable[[Any], Array]
ADMITTED: dict[str, tuple[Fit, Predict, dict[str, str]]] = {
    "XGBoost: numbers": (lambda: xgb(NUMBERS), by_booster, {}),
    "XGBoost: JSON": (lambda: xgb(NUMBERS), by_booster, {"model_format": "json"}),
    "XGBoost: counts": (lambda: xgb(NUMBERS.abs(), objective="count:poisson"), by_booster, {}),
    "XGBoost: two classes": (lambda: xgb(TWO, objective="binary:logistic"), by_booster, {}),
    "XGBoost: three classes": (lambda: xgb(THREE, objective="multi:softprob", num_class=3), by_booster, {}),
    "XGBoost: an estimator": (lambda: xgboost.XGBClassifier(n_estimators=5).fit(FRAME, THREE), by_estimator, {}),
    "XGBoost: an early stop": (lambda: an_early_stop(None), by_estimator, {}),
    "LightGBM: numbers": (lambda: lgb(NUMBERS), lambda model: model.predict(FRAME), {}),
    "LightGBM: two classes": (lambda: lgb(TWO, objective="binary"), lambda model: model.predict(FRAME), {}),
    "LightGBM: three classes": (
        lambda: lgb(THREE, objective="multiclass", num_class=3), lambda model: model.predict(FRAME), {},
    ),
    "LightGBM: no names": (
        lambda: lgb(NUMBERS, FRAME.to_numpy(float)), lambda model: model.predict(FRAME.to_numpy(float)), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ADMITTED.values(), ids=ADMITTED.keys())
def test_predicts_what_the_library_does(case: tuple[Fit, Predict, dict[str, str]], tmp_path: Path) -> None:
    fit, predict, options = case
    model = fit()
    predictor = admitted(saved(model, tmp_path, **options))
    assert dict(predictor.pipeline.types) == TYPES
    rows = [{str(name): value for name, value in row.items()} for row in FRAME.to_dict("records")]
    found, expected = predictor.predict(rows), predict(model)
    assert (found.labels is None) == (not predictor.classes)
    values = found.values[:, 1] if len(predictor.classes) == 2 else found.values
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


def test_classes_have_their_codes_or_names(tmp_path: Path) -> None:
    folder = saved(xgb(THREE, objective="multi:softprob", num_class=3), tmp_path)
    assert admitted(folder).classes == ["0", "1", "2"]
    (folder / "work").rename(tmp_path / "old")
    assert admitted(folder, ["low", "mid", "high"]).classes == ["low", "mid", "high"]


def an_mlmodel(folder: Path, flavor: str, signature: ModelSignature | None = SIGNATURE, **about: Any) -> Path:
    model = Model(signature=signature)
    model.add_flavor(flavor, **about)
    model.save(str(folder / "MLmodel"))
    return folder / "MLmodel"


def a_file(folder: Path, text: str) -> Path:
    (folder / "MLmodel").write_text(text)
    return folder / "MLmodel"


def of_columns(*columns: ColSpec) -> ModelSignature:
    return ModelSignature(inputs=Schema(list(columns)))


def by_pickle(folder: Path) -> Path:
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    options = {"serialization_format": "pickle", "pip_requirements": ["numpy"]}
    mlflow.sklearn.save_model(model, str(folder / "model"), signature=SIGNATURE, **options)
    return folder / "model" / "MLmodel"


def an_estimator_of_lightgbm(folder: Path, kind: str) -> Path:
    model = lightgbm.LGBMRegressor(n_estimators=1, verbose=-1).fit(FRAME, NUMBERS)
    return saved(model, folder, serialization_format=kind) / "MLmodel"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "scikit-learn by pickle": (by_pickle, "its flavors are python_function, sklearn: only xgboost, lightgbm, onnx"),
    "code": (
        lambda folder: an_mlmodel(folder, "python_function", loader_module="mlflow.pyfunc.model"),
        "its flavors are python_function: only",
    ),
    "an estimator of LightGBM": (
        lambda folder: an_estimator_of_lightgbm(folder, "cloudpickle"),
        r"its flavor lightgbm has the model in 'model.pkl', which is not read: log its Booster \(model.booster_\)",
    ),
    "an old file of XGBoost": (
        lambda folder: an_mlmodel(folder, "xgboost", data="model.xgb"), "'model.xgb', .* model_format='ubj'",
    ),
    "a file elsewhere": (lambda folder: an_mlmodel(folder, "xgboost", data="../model.ubj"), "'../model.ubj'"),
    "no signature": (
        lambda folder: an_mlmodel(folder, "xgboost", None, data="model.ubj"), "signature names no columns: log it with",
    ),
    "a signature of tensors": (
        lambda folder: an_mlmodel(folder, "xgboost", infer_signature(np.zeros((2, 3))), data="model.ubj"),
        "signature names no columns",
    ),
    "columns without names": (
        lambda folder: an_mlmodel(folder, "xgboost", of_columns(ColSpec(DataType.double)), data="model.ubj"),
        "signature names no columns",
    ),
    "a text": (
        lambda folder: an_mlmodel(folder, "xgboost", of_columns(ColSpec("string", "town")), data="model.ubj"),
        "its column 'town' is DataType.string: only numbers and Booleans",
    ),
    "flavors that are none": (lambda folder: a_file(folder, "flavors: [xgboost]"), "its MLmodel cannot be read"),
    "no YAML": (lambda folder: a_file(folder, "flavors: !!python/object/apply:os.getcwd []"), "cannot be read"),
    "no MLmodel": (lambda folder: folder / "nothing", "its MLmodel cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_safe_or_not_named_is_refused(case: tuple[Callable[[Path], Path], str], tmp_path: Path) -> None:
    make, message = case
    with pytest.raises(AdmissionError, match=message):
        described(make(tmp_path))


CATEGORIES = FRAME.assign(area=FRAME["garden"].map({True: "large", False: "small"}).astype("category"))


def with_columns(*names: str) -> Callable[[Plain], Plain]:
    return lambda plain: Plain(plain.flavor, plain.file, plain.model_class, dict.fromkeys(names, "Numeric"))


UNREADABLE: dict[str, tuple[Fit, Callable[[Plain], Plain], str]] = {
    "categories of XGBoost": (
        lambda: xgboost.XGBRegressor(n_estimators=1, enable_categorical=True).fit(CATEGORIES, NUMBERS),
        lambda plain: plain,
        "columns of categories",
    ),
    "categories of LightGBM": (lambda: lgb(NUMBERS, CATEGORIES), lambda plain: plain, "categories"),
    "a column too few": (lambda: xgb(NUMBERS), with_columns("area", "time"), "3 features, and its signature 2 columns"),
    "another order": (
        lambda: lgb(NUMBERS), with_columns("time", "area", "garden"), "its features are area, time, garden, and the",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_features_that_are_not_the_columns_are_refused(
    case: tuple[Fit, Callable[[Plain], Plain], str], tmp_path: Path
) -> None:
    fit, change, message = case
    folder = saved(fit(), tmp_path)
    plain = change(described(folder / "MLmodel"))
    with pytest.raises(AdmissionError, match=message):
        read(plain, folder / plain.file)


@pytest.mark.parametrize("flavor", ["xgboost", "lightgbm"])
def test_a_file_that_is_none_is_refused(flavor: str, tmp_path: Path) -> None:
    name = {"xgboost": "model.ubj", "lightgbm": "model.lgb"}[flavor]
    plain = described(an_mlmodel(tmp_path, flavor, data=name))
    (tmp_path / name).write_bytes(b"{L\x00")
    with pytest.raises(AdmissionError, match=f"{name} cannot be read"):
        read(plain, tmp_path / name)


UNFIT: dict[str, tuple[Fit, list[str], str]] = {
    "bare codes": (lambda: xgb(THREE, objective="multi:softmax", num_class=3), [], "multi:softmax tells no prob"),
    "margins": (lambda: xgb(TWO, objective="binary:logitraw"), [], "binary:logitraw tells no probabilities"),
    "one against all": (lambda: lgb(THREE, objective="multiclassova", num_class=3), [], "multiclassova tells no"),
    "several numbers": (
        lambda: xgb(NUMBERS, objective="reg:quantileerror", quantile_alpha=[0.1, 0.9]), [], "it tells 2 numbers",
    ),
    "names of numbers": (lambda: xgb(NUMBERS), ["low", "high"], r"predicts numbers \(reg:squarederror\)"),
    "a name too few": (lambda: lgb(TWO, objective="binary"), ["low"], "it has 2 classes: name as many"),
    "a name twice": (lambda: lgb(TWO, objective="binary"), ["low", "low"], "each once, not low, low"),
    "a linear booster": (lambda: xgb(TWO, booster="gblinear", max_depth=None), [], "it does not predict"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT.values(), ids=UNFIT.keys())
def test_what_cannot_be_answered_with_is_refused(case: tuple[Fit, list[str], str], tmp_path: Path) -> None:
    fit, classes, message = case
    with pytest.raises(AdmissionError, match=message):
        admitted(saved(fit(), tmp_path), classes)


COMMANDS = {
    "an alias": (["models:/trees@champion"], 1, "'models:/trees@champion' is not models:/NAME/VERSION"),
    "a class without a name": (["models:/trees/1", "--classes", "low,"], 2, "say NAME,NAME, not 'low,'"),
}


@pytest.mark.parametrize("case", COMMANDS.values(), ids=COMMANDS.keys())
def test_what_is_asked_wrongly(case: tuple[list[str], int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, code, message = case
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    found = CliRunner().invoke(main, ["admit", *arguments])
    assert (found.exit_code, message in found.output) == (code, True)


def test_wants_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = CliRunner().invoke(main, ["admit", "models:/trees/1"])
    assert (found.exit_code, "MLFLOW_TRACKING_URI is not set" in found.output) == (2, True)


def test_spaces_in_names_are_no_hindrance(tmp_path: Path) -> None:
    frame = FRAME.rename(columns={"area": "living area"})
    folder = saved(lgb(NUMBERS, frame), tmp_path, signature=infer_signature(frame, NUMBERS))
    assert list(admitted(folder).pipeline.types) == ["living area", "time", "garden"]


def test_whole_numbers_stay_what_they_are(tmp_path: Path) -> None:
    predictor = admitted(saved(lgb(NUMBERS), tmp_path))
    plain = predictor.pipeline.transform(from_rows([{"time": 1_700_000_001}], TYPES), "Plain")
    assert plain[0, 1] == 1_700_000_001
