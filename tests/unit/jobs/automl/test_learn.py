"""From a Dataset's volume to the exported model, with real fits."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from afina_api.reasons import AutoMLReason
from afina_jobs.automl.features.tables import from_table, to_rows
from afina_jobs.automl.learn import Place
from afina_jobs.automl.manifest import Comparison, compare
from afina_jobs.automl.problem import CannotLearnError
from afina_jobs.automl.reproduce import reproduce
from afina_jobs.automl.run import AutoMLSettings, Ending, end_of, run_automl
from afina_jobs.automl.status import status
from afina_models.digest import DigestError, digest
from afina_models.predictor import Predictor
from support.datasets import a_dataset, an_automl_job

RNG = np.random.default_rng(0)
ROWS = 300
TYPES = {"size": "Numeric", "town": "Categorical", "sold": "Datetime", "note": "Text", "target": "Categorical"}


def a_mixed_table() -> pd.DataFrame:
    size = RNG.normal(50, 20, ROWS)
    town = RNG.choice([f"town {n}" for n in range(15)], ROWS)
    odds = (size - 50) / 10 + np.where(np.char.endswith(town, "1"), 2.0, -0.5)
    frame = pd.DataFrame(
        {
            "size": np.where(RNG.uniform(size=ROWS) < 0.1, np.nan, size),
            "town": town,
            "sold": pd.date_range("2025-01-01", periods=ROWS, freq="9h").as_unit("us"),
            "note": RNG.choice(["like new", "some paint", "as seen"], ROWS),
            "target": np.where(RNG.uniform(size=ROWS) < 1 / (1 + np.exp(-odds)), "yes", "no"),
        }
    )
    frame.loc[3, "target"] = None
    return frame


TABLE = a_mixed_table()


async def end(
    folder: Path, frame: pd.DataFrame, spec: dict[str, object], types: dict[str, str] | None = None
) -> Ending:
    place = Place(a_dataset(folder / "dataset", frame, types), folder / "study", folder / "work")
    return await end_of(an_automl_job(**spec), place, lambda _progress: None)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ending, Path]:
    folder = tmp_path_factory.mktemp("learned")
    families = ["Linear", "LightGBM", "XGBoost", "ExtraTrees"]
    spec: dict[str, object] = {"models": families, "budget": {"timeSeconds": 600, "maxModels": 6}}
    return asyncio.run(end(folder, TABLE, spec, TYPES)), folder


Learned = tuple[Ending, Path]


def test_a_model_is_ready(learned: Learned) -> None:
    found, folder = learned
    assert found.reason == AutoMLReason.MODEL_READY
    names = {line.name for line in found.progress.leaderboard}
    assert names == {"Linear", "LightGBM", "XGBoost", "ExtraTrees", "Weighted", "Stacking"}
    for line in found.progress.leaderboard:
        assert line.score is not None
        assert line.interval is not None
        assert line.interval[0] <= line.score <= line.interval[1]
        assert line.p95_milliseconds
        assert line.size_bytes
    assert found.progress.scores["AUC"] > 0.7
    assert found.progress.scores["Coverage"] > 0.85
    assert digest(folder / "study" / "model") == manifest_of(folder)["model"]


def manifest_of(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "study" / "manifest.json").read_text())
    return found


def test_the_status_says_it_at_a_glance(learned: Learned) -> None:
    found, _ = learned
    told = status(found.progress)
    assert told["summary"]["best"].startswith(f"{found.progress.chosen} LogLoss 0.")
    assert len(told["leaderboard"]) == 6
    assert {score["name"] for score in told["scores"]} >= {"LogLoss", "AUC", "Coverage"}


def test_the_report_stands_alone(learned: Learned) -> None:
    _, folder = learned
    page = (folder / "study" / "report.html").read_text()
    assert "Leaderboard" in page
    assert "Confusion" in page
    assert "<script src=" not in page
    told = json.loads((folder / "study" / "report.json").read_text())
    assert next(iter(told["importance"])) in ("size", "town")
    assert told["rows"] == {"in the Dataset": 300, "without a target": 1, "development": 239, "holdout": 60}
    assert np.sum(told["confusion"]) == 60


async def test_a_repetition_gives_equal_metrics(learned: Learned, tmp_path: Path) -> None:
    _, folder = learned
    place = Place(folder / "dataset", tmp_path / "study", tmp_path / "work")
    first = manifest_of(folder)
    assert await reproduce(first, place) == Comparison([], [])
    changed = {**first, "scores": {**first["scores"], "AUC": 0.0}, "model": "sha256:other"}  # type: ignore[dict-item]
    again = json.loads((place.study / "manifest.json").read_text())
    assert [line.split(":")[0] for line in compare(changed, again).results] == ["model", "score AUC"]


async def test_other_data_is_not_repeated(learned: Learned, tmp_path: Path) -> None:
    _, folder = learned
    place = Place(folder / "dataset", tmp_path / "study", tmp_path / "work")
    with pytest.raises(CannotLearnError, match="the manifest is of the data sha256:other, and"):
        await reproduce({**manifest_of(folder), "dataset": "sha256:other"}, place)


_SERVE = """
import json, sys
from pathlib import Path
from afina_models.predictor import Predictor
model = Predictor.load(Path(sys.argv[1]), sys.argv[2])
print(json.dumps([model.values([row])[0].tolist() for row in json.loads(sys.stdin.read())]))
"""


def test_a_fresh_process_predicts_the_same(learned: Learned) -> None:
    _, folder = learned
    model = folder / "study" / "model"
    batch = Predictor.load(model, digest(model)).values(from_table(TABLE, TYPES))
    served = subprocess.run(
        [sys.executable, "-c", _SERVE, str(model), digest(model)],
        input=json.dumps(to_rows(TABLE.drop(columns="target"))),
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    np.testing.assert_allclose(json.loads(served.stdout), batch, rtol=1e-5, atol=1e-6)


def test_one_flipped_byte_is_refused(learned: Learned, tmp_path: Path) -> None:
    _, folder = learned
    known = digest(folder / "study" / "model")
    for file in sorted((folder / "study" / "model").iterdir()):
        copy = tmp_path / file.name
        shutil.copytree(folder / "study" / "model", copy)
        content = bytearray((copy / file.name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / file.name).write_bytes(content)
        with pytest.raises(DigestError, match="was changed"):
            Predictor.load(copy, known)


def test_nothing_exported_is_a_pickle(learned: Learned) -> None:
    _, folder = learned
    suffixes = {file.suffix for file in (folder / "study").rglob("*") if file.is_file() and "model" in file.parts}
    assert suffixes <= {".json", ".npz", ".txt", ".ubj"}


BREAST_CANCER = load_breast_cancer(as_frame=True).frame.iloc[:200]

FAILURES: dict[str, tuple[pd.DataFrame, dict[str, object], AutoMLReason, str]] = {
    "a leak blocks": (
        BREAST_CANCER.assign(diagnosis=BREAST_CANCER["target"] * 2.0 + 1), {},
        AutoMLReason.LEAKAGE_FOUND, "'diagnosis' (TargetCopy)",
    ),
    "no such target": (BREAST_CANCER, {"target": "benign"}, AutoMLReason.TARGET_MISSING, "'benign'"),
    "one value": (BREAST_CANCER.assign(target=1.0), {}, AutoMLReason.TARGET_UNUSABLE, "one value only"),
    "no such column": (
        BREAST_CANCER, {"features": {"exclude": ["x"]}}, AutoMLReason.INVALID_SPEC, "no column 'x'",
    ),
    "constraints too tight": (
        BREAST_CANCER, {"models": ["Linear"], "budget": {"maxModels": 1}, "constraints": {"sizeBytes": 10}},
        AutoMLReason.CONSTRAINTS_UNMET, "more than constraints.sizeBytes 10",
    ),
    "no MLflow": (BREAST_CANCER, {"registerAs": "x"}, AutoMLReason.INVALID_SPEC, "MLFLOW_TRACKING_URI"),
    "no rows": (BREAST_CANCER.iloc[17:21], {}, AutoMLReason.DATASET_TOO_SMALL, "lower validation.folds"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES.keys())
async def test_what_goes_wrong_is_named(
    case: tuple[pd.DataFrame, dict[str, object], AutoMLReason, str], tmp_path: Path
) -> None:
    frame, spec, reason, message = case
    found = await end(tmp_path, frame, spec)
    assert found.reason == reason
    assert message in found.message


async def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = await end(tmp_path, BREAST_CANCER, {"models": ["MLP"]})
    assert found.reason == AutoMLReason.NO_MODEL_SUCCEEDED
    assert "MLP: it needs the package torch: run it in the image afina-runtime-torch" in found.message


async def test_an_allowed_leak_is_let_in_and_told(tmp_path: Path) -> None:
    frame = BREAST_CANCER.assign(diagnosis=BREAST_CANCER["target"] * 2.0)
    spec: dict[str, object] = {
        "features": {"allowLeaks": ["diagnosis"]},
        "models": ["Linear"],
        "budget": {"maxModels": 1},
    }
    found = await end(tmp_path, frame, spec)
    assert found.reason == AutoMLReason.MODEL_READY
    assert found.progress.scores["Accuracy"] > 0.95
    assert "diagnosis" in (tmp_path / "study" / "report.html").read_text()


async def test_a_volume_that_is_none(tmp_path: Path) -> None:
    settings = AutoMLSettings(Place(tmp_path, tmp_path / "study", tmp_path / "work"), tmp_path / "termination")
    assert await run_automl(an_automl_job(), settings) == 10
    assert json.loads((tmp_path / "termination").read_text())["reason"] == "DatasetUnreadable"
