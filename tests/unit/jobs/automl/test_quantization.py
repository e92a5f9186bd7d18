"""Perceptrons of 8 bits, run by the real ONNX Runtime: what they say, and when they take the place of floats."""

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from mlflow import MlflowClient
from onnx import numpy_helper

from afina_jobs.automl import export
from afina_jobs.automl.candidates import Candidate
from afina_jobs.automl.choosing import Chosen
from afina_jobs.automl.data import settle_data
from afina_jobs.automl.export import Recipe, Uncertainty
from afina_jobs.automl.features import pipeline
from afina_jobs.automl.features.tables import from_table
from afina_jobs.automl.graphs import write_int8
from afina_jobs.automl.learn import Place, learn
from afina_jobs.automl.quantization import Quantized, Side, decide, quantized
from afina_jobs.automl.reproduce import reproduce
from afina_jobs.automl.status import status
from afina_models.arrays import Array
from afina_models.combination import Weighted
from afina_models.digest import FILES, digest
from afina_models.formats import onnx as graphs
from afina_models.formats.mlp import Perceptron
from afina_models.predictor import Predictor
from support.datasets import a_dataset, an_automl_job
from support.model_servers import a_server

RNG = np.random.default_rng(0)
COLUMNS = list("abcdefgh")


def a_perceptron(classes: int, *widths: int, inputs: int = len(COLUMNS)) -> Perceptron:
    """As it is before it has learned."""
    sizes = [inputs, *widths, classes or 1]
    rng = np.random.default_rng(1)
    weights = tuple(rng.normal(size=pair) * np.sqrt(2 / pair[0]) for pair in pairwise(sizes))
    biases = tuple(rng.normal(size=size) * 0.1 for size in sizes[1:])
    return Perceptron(weights, biases, classes, 0.0 if classes else 1e6, 1.0 if classes else 50.0)


def in_8_bits(model: Perceptron, folder: Path) -> graphs.Graph:
    write_int8(model, folder / "model.onnx")
    return graphs.load(folder / "model.onnx")


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_says_nearly_what_the_floats_say(classes: int, tmp_path: Path) -> None:
    model = a_perceptron(classes, 64, 32)
    features = RNG.normal(size=(200, len(COLUMNS))).astype(np.float32)
    before, after = model.predict(features), in_8_bits(model, tmp_path).predict(features)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert not np.array_equal(after, before)
    spread = before.std()
    assert np.abs(after - before).max() < 0.2 * spread
    assert np.abs(after - before).mean() < 0.03 * spread


def test_a_row_is_predicted_alike_alone_and_among_others(tmp_path: Path) -> None:
    model = in_8_bits(a_perceptron(3, 32), tmp_path)
    features = RNG.normal(size=(50, len(COLUMNS))).astype(np.float32) * np.geomspace(0.01, 10, 50)[:, None]
    alone = np.concatenate([model.predict(row[None]) for row in features])
    np.testing.assert_array_equal(model.predict(features), alone)
    assert model.predict(features[:0]).shape == (0, 3)


def test_no_processor_overflows(tmp_path: Path) -> None:
    """Two products of 255 and the greatest weight fit into 16 bits."""
    in_8_bits(a_perceptron(2, 32), tmp_path)
    read = onnx.load(tmp_path / "model.onnx")
    found = [numpy_helper.to_array(one) for one in read.graph.initializer]
    weights = [values for values in found if values.dtype == np.int8 and values.ndim == 2]
    assert len(weights) == 2
    assert all(2 * 255 * np.abs(values.astype(int)).max() < 2**15 for values in weights)
    assert {(node.domain, node.op_type) for node in read.graph.node} >= {("", "MatMulInteger")}
    assert {node.domain for node in read.graph.node} == {""}


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        in_8_bits(a_perceptron(2, 32), tmp_path / name)
    assert digest(tmp_path / "first") == digest(tmp_path / "second")


FLOATS = Side({"RMSE": 2.0, "R2": 0.8, "AUC": 0.9}, 1.0, 2.0, 400)
BETTER = Side({"RMSE": 2.0, "R2": 0.8, "AUC": 0.9}, 0.4, 0.8, 100)


def with_score(metric: str, value: float) -> Side:
    return dataclasses.replace(BETTER, scores={metric: value})


DECISIONS: dict[str, tuple[str, Side, str | None]] = {
    "as good, faster and smaller": ("RMSE", BETTER, None),
    "better": ("RMSE", with_score("RMSE", 1.9), None),
    "a loss that is allowed": ("RMSE", with_score("RMSE", 2.0199), None),
    "a loss where less is better": ("RMSE", with_score("RMSE", 2.02), "it should lose less than 1%: RMSE 2 -> 2.02"),
    "a loss where more is better": ("AUC", with_score("AUC", 0.89), "it should lose less than 1%: AUC 0.9 -> 0.89"),
    "no score": ("RMSE", with_score("R2", 0.8), "it should lose less than 1%"),
    "slower at the median": ("RMSE", dataclasses.replace(BETTER, p50_milliseconds=1.0), "it should be faster: RMSE"),
    "slower at the tail": ("RMSE", dataclasses.replace(BETTER, p95_milliseconds=2.5), "it should be faster: RMSE"),
    "larger": ("RMSE", dataclasses.replace(BETTER, size_bytes=400), "it should be smaller: RMSE"),
    "slower and larger": (
        "RMSE", dataclasses.replace(FLOATS, scores=BETTER.scores), "it should be faster, it should be smaller",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECISIONS.values(), ids=DECISIONS.keys())
def test_when_it_is_promoted(case: tuple[str, Side, str | None]) -> None:
    metric, int8, why = case
    found = decide(metric, FLOATS, int8)
    assert found.promoted == (why is None)
    assert found.message.startswith("INT8 is promoted: " if why is None else f"INT8 is not promoted: {why}")


def test_a_loss_of_nothing() -> None:
    """There is no share of a perfect score that errors are 0 of."""
    perfect = dataclasses.replace(FLOATS, scores={"RMSE": 0.0})
    assert decide("RMSE", perfect, with_score("RMSE", 0.0)).promoted
    assert not decide("RMSE", perfect, with_score("RMSE", 1e-9)).promoted


def judged(model: Perceptron, folder: Path, features: Array | None = None) -> tuple[Chosen, Chosen, Quantized]:
    """A regression whose target is what the perceptron says, and some noise: floats, what is kept, and why."""
    values = RNG.normal(size=(600, len(COLUMNS))) if features is None else features
    frame = pd.DataFrame(values, columns=COLUMNS)
    types = dict.fromkeys(COLUMNS, "Numeric")
    fitted, plain = pipeline.fit(from_table(frame, types), types, np.zeros(len(frame)), 0, seed=0)
    said = model.predict(fitted.view(plain, "Scaled"))
    frame["target"] = said + RNG.normal(size=len(said)) * said.std() * 0.3
    job = an_automl_job(task="Regression")
    data, _, _ = settle_data(job.spec, a_dataset(folder / "dataset", frame), folder / "settled", threads=1)
    member = folder / "fitted" / "MLP-0"
    member.mkdir(parents=True)
    fitted.save(member / "features.json")
    model.save(member / "model.npz")
    half_width = Uncertainty(half_width=float(said.std()))
    recipe = Recipe("MLP", data.settled.problem, ("MLP-0",), ("MLP",), Weighted([1.0]), half_width)
    export.write(recipe, folder / "fitted", {}, folder / "floats")
    known = digest(folder / "floats")
    candidate = Candidate(recipe, said, (0.0,), 0.0)
    chosen = Chosen(candidate, folder / "floats", known, Predictor.load(folder / "floats", known))
    return chosen, *quantized(data, chosen, folder / "model" / FILES)


def test_a_large_net_is_promoted_and_served(tmp_path: Path) -> None:
    floats, kept, found = judged(a_perceptron(0, 1024, 1024, 512), tmp_path)
    assert found.promoted, found.message
    assert found.floats
    assert found.int8
    assert found.floats.size_bytes > 3.5 * found.int8.size_bytes
    assert found.int8.scores["R2"] == pytest.approx(found.floats.scores["R2"], rel=0.01)
    assert found.int8.scores["Coverage"] > 0.95
    assert {file.suffix for file in kept.folder.iterdir()} == {".json", ".onnx"}
    assert kept.predictor.half_width == floats.predictor.half_width
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in RNG.normal(size=(20, len(COLUMNS))).tolist()]
    before, after = floats.predictor.values(rows), kept.predictor.values(rows)
    assert np.sqrt(np.mean((after - before) ** 2)) < 0.1 * before.std()
    with a_server(tmp_path, kept.digest) as server:
        served = [one["estimate"] for one in server.post("/predict", {"rows": rows}).json["predictions"]]
    np.testing.assert_allclose(served, after, rtol=1e-9)


def test_a_tiny_net_is_not(tmp_path: Path) -> None:
    floats, kept, found = judged(a_perceptron(0, 4), tmp_path)
    assert kept is floats
    assert not found.promoted
    assert "it should be smaller" in found.message


def test_a_net_that_loses_too_much_is_not(tmp_path: Path) -> None:
    """Every column of the second layer has one weight that leaves none of the 8 bits for others. What it is for never
    comes, so that it is nothing to the floats."""
    model = a_perceptron(0, 1024, 1024, 512)
    model.weights[0][:, 0], model.biases[0][0], model.weights[1][0] = 0, -1, 1e4
    floats, kept, found = judged(model, tmp_path)
    assert kept is floats
    assert not found.promoted
    assert found.message.startswith("INT8 is not promoted: it should lose less than 1%: RMSE ")


@pytest.fixture(scope="module")
def rings() -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(300, 4))
    frame = pd.DataFrame(values, columns=list("abcd"))
    return frame.assign(target=(np.hypot(frame["a"], frame["b"]) > 1.2).astype(int))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of its database
async def test_a_whole_job_tells_both_and_is_repeated(
    rings: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of both is faster is the machine's matter."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    place = Place(a_dataset(tmp_path / "dataset", rings), tmp_path / "study", tmp_path / "work")
    spec = {"models": ["Linear", "MLP"], "ensemble": "Stacking", "budget": {"timeSeconds": 600, "maxModels": 2}}
    job = an_automl_job(**spec, quantization="Int8", registerAs="rings")
    found = await learn(job, place, lambda _progress: None)
    assert found.quantized
    promoted = found.quantized.promoted
    told = status(found)["quantized"]
    assert told == {"promoted": promoted, "message": found.quantized.message}
    assert "LogLoss" in told["message"]
    manifest = json.loads((place.study / "manifest.json").read_text())
    assert manifest["model"] == digest(place.study / "model")
    version = MlflowClient().get_model_version("rings", "1")
    assert version.tags["afina.digest"] == manifest["model"]
    assert version.tags["afina.quantization"] == found.quantized.message
    assert manifest["quantized"] == is_quantized(place) == promoted
    report = json.loads((place.study / "report.json").read_text())["quantized"]
    assert report["floats"]["scores"].keys() == report["int8"]["scores"].keys()
    assert report["int8" if promoted else "floats"]["scores"] == pytest.approx(found.scores)
    metrics = MlflowClient().get_run(str(version.run_id)).data.metrics
    assert metrics["int8_LogLoss"] == pytest.approx(report["int8"]["scores"]["LogLoss"])
    assert metrics["float_p95_milliseconds"] == pytest.approx(report["floats"]["p95_milliseconds"])
    page = (place.study / "report.html").read_text()
    assert f"<td>{report['floats']['size_bytes']}</td><td>{report['int8']['size_bytes']}</td>" in page

    again = Place(place.dataset, tmp_path / "again", tmp_path / "work")
    compared = await reproduce({**manifest, "quantized": not promoted}, again)
    assert is_quantized(again) == (not promoted)
    assert {line.split(":")[0].split()[0] for line in compared.results} <= {"model", "score"}
    for name in ("Stacking", "Int8"):
        assert digest(again.study / "exports" / name) == digest(place.study / "exports" / name)


def is_quantized(place: Place) -> bool:
    return bool(list((place.study / "model").glob("*.onnx")))


async def test_a_model_without_a_perceptron_has_nothing_to_quantize(rings: pd.DataFrame, tmp_path: Path) -> None:
    place = Place(a_dataset(tmp_path / "dataset", rings), tmp_path / "study", tmp_path / "work")
    found = await learn(an_automl_job(quantization="Int8", ensemble="None"), place, lambda _progress: None)
    assert status(found)["quantized"] == {"promoted": False, "message": f"{found.chosen} has no MLP to quantize"}
    assert "has no MLP to quantize" in (place.study / "report.html").read_text()
