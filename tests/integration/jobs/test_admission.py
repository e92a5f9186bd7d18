"""Models that others log in a real MLflow: admitted once, then resolved, downloaded and served as our own are."""

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path

import mlflow
import mlflow.onnx
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.models import infer_signature
from onnx.helper import make_node
from sklearn.linear_model import LinearRegression

from afina_jobs.cli import main
from afina_operator.registry import MlflowRegistry, ModelUnavailableError
from support.graphs import ANY, a_graph, values
from support.model_servers import a_server
from support.servers import MlflowServer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),  # MLflow's, of its own code
]

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=["a", "b", "c"])
TARGET = (FRAME["a"] > FRAME["b"]).astype(int)
OPTIONS = {"signature": infer_signature(FRAME, TARGET.astype(float)), "pip_requirements": ["numpy"]}


@pytest.fixture
def client(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    return MlflowClient()


def a_booster() -> xgboost.Booster:
    return xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FRAME, TARGET), 5)


def logged(client: MlflowClient, booster: xgboost.Booster, _folder: Path, name: str) -> None:
    """As MLflow 3 does it: the source of the version is `models:/ID`."""
    with mlflow.start_run():
        mlflow.xgboost.log_model(booster, name="model", registered_model_name=name, **OPTIONS)
    assert str(client.get_model_version(name, "1").source).startswith("models:/m-")


def uploaded(client: MlflowClient, booster: xgboost.Booster, folder: Path, name: str) -> None:
    """As MLflow 2 did: the files are among the artifacts of a run."""
    mlflow.xgboost.save_model(booster, str(folder / "saved"), **OPTIONS)
    run = client.create_run("0").info
    client.log_artifacts(run.run_id, str(folder / "saved"), "model")
    client.create_registered_model(name)
    client.create_model_version(name, f"{run.artifact_uri}/model", run.run_id)


def admit(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["admit", *arguments])


@pytest.mark.parametrize("register", [logged, uploaded])
def test_a_plain_model_is_admitted_and_served(
    register: Callable[[MlflowClient, xgboost.Booster, Path, str], None],
    client: MlflowClient,
    mlflow_server: MlflowServer,
    tmp_path: Path,
) -> None:
    booster, name = a_booster(), f"trees that were {register.__name__}"
    register(client, booster, tmp_path, name)
    uri, registry = f"models:/{name}/1", MlflowRegistry(mlflow_server.url)
    with pytest.raises(ModelUnavailableError, match=f"or say afina admit {uri}"):
        asyncio.run(registry.resolve(uri))

    done = admit(uri, "--classes", "low,high")
    assert done.exit_code == 0, done.output
    assert "is admitted: XGBoost predicts the classes low, high from a, b, c" in done.output
    version = asyncio.run(registry.resolve(uri))
    assert f"afina.digest: {version.digest}" in done.output

    with a_server(tmp_path, version.digest, AFINA_MODEL=version.source) as server:
        found = server.post("/predict", {"rows": FRAME.to_dict("records")}).json["predictions"]
    chances = [one["probabilities"]["high"] for one in found]
    assert chances == pytest.approx(booster.predict(xgboost.DMatrix(FRAME)).tolist(), rel=1e-6)
    assert {one["label"] for one in found} == {"low", "high"}

    again = admit(uri)
    assert again.exit_code == 1
    assert f"it can be served already: its afina.digest is {version.digest}" in again.output


def a_network() -> onnx.ModelProto:
    """Of two classes."""
    nodes = [
        make_node("IsNaN", ["x"], ["missing"]),
        make_node("Where", ["missing", "zero", "x"], ["full"]),
        make_node("MatMul", ["full", "weights"], ["scores"]),
        make_node("Softmax", ["scores"], ["chances"]),
    ]
    constants = {"zero": np.zeros(1, np.float32), "weights": np.array([[1, -1], [2, 0], [0, 3]], np.float32)}
    return a_graph(nodes, values("chances", ANY, 2), constants=constants)


def test_a_graph_is_admitted_and_served(client: MlflowClient, mlflow_server: MlflowServer, tmp_path: Path) -> None:
    with mlflow.start_run():
        mlflow.onnx.log_model(a_network(), name="model", registered_model_name="network", **OPTIONS)
    done = admit("models:/network/1", "--classes", "low,high")
    assert done.exit_code == 0, done.output
    assert "is admitted: ONNX predicts the classes low, high from a, b, c" in done.output
    version = asyncio.run(MlflowRegistry(mlflow_server.url).resolve("models:/network/1"))
    with a_server(tmp_path, version.digest, AFINA_MODEL=version.source) as server:
        found = server.post("/predict", {"rows": FRAME.to_dict("records")}).json["predictions"]
    odds = FRAME.to_numpy() @ [-2.0, -2.0, 3.0]
    chances = [one["probabilities"]["high"] for one in found]
    assert chances == pytest.approx((1 / (1 + np.exp(-odds))).tolist(), rel=1e-4)


class Trap(LinearRegression):  # type: ignore[misc]
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_not_read(client: MlflowClient, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "trace")
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            trap, name="model", registered_model_name="trap", serialization_format="pickle", **OPTIONS
        )
    refused = admit("models:/trap/1")
    assert refused.exit_code == 1
    assert "models:/trap/1 is not admitted: its flavors are python_function, sklearn" in refused.output
    assert not trap.trace.exists()
    assert not client.get_model_version("trap", "1").tags
    pickle.loads(pickle.dumps(trap))  # noqa: S301 - so it would have been seen
    assert trap.trace.exists()


def test_what_is_not_there_is_named(client: MlflowClient) -> None:
    found = admit("models:/nothing/1")
    assert found.exit_code == 1
    assert "models:/nothing/1 is not admitted: MLflow: " in found.output
