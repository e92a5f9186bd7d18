"""What a job registers in MLflow, and when it becomes champion. On a database of MLflow's own, without a server."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from afina_jobs.automl.learn import Place, Progress, learn
from afina_jobs.automl.registry import load_version
from afina_models.digest import DigestError
from support.datasets import DIGEST, a_dataset, an_automl_job

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of its database

NAME = "some model"
PROMOTION = {"thresholds": [{"metric": "R2", "value": 0.5}], "alpha": 0.05}


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        yield MlflowClient()


def a_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 3))
    target = features @ [3.0, 2.0, 1.0] + rng.normal(size=300) * 0.3
    return pd.DataFrame(features, columns=["a", "b", "c"]).assign(target=target)


def register(
    folder: Path, uid: str, without: list[str], name: str = NAME, images: Mapping[str, Any] | None = None
) -> Progress:
    """Learn from the same rows, without some columns."""
    spec = {"models": ["Linear"], "budget": {"maxModels": 1}, "registerAs": name, "promotion": PROMOTION}
    job = an_automl_job(**spec, features={"exclude": without})
    job = job.model_copy(update={"metadata": job.metadata.model_copy(update={"uid": uid})})
    place = Place(a_dataset(folder / "dataset", a_table(), images=images), folder / "study", folder / "work")
    return asyncio.run(learn(job, place, lambda _progress: None))


def test_the_life_of_a_registered_model(mlflow: MlflowClient, tmp_path: Path) -> None:
    first = register(tmp_path / "first", "1", without=["c"])
    assert first.model
    assert first.model.aliases == ["candidate", "champion"]
    version = mlflow.get_model_version_by_alias(NAME, "champion")
    assert version.tags["afina.digest"] == first.model.digest
    assert version.tags["afina.dataset"] == DIGEST
    assert json.loads((tmp_path / "first" / "study" / "manifest.json").read_text())["tracking"]
    assert load_version(version).predict([{"a": 1.0, "b": 1.0, "c": 1.0}]).values[0] == pytest.approx(5, abs=0.5)

    again = register(tmp_path / "first", "1", without=["c"])
    assert again.model == first.model, "a driver that comes after a death registers nothing twice"

    worse = register(tmp_path / "worse", "2", without=["b", "c"])
    assert worse.model
    assert worse.model.aliases == ["candidate"]
    assert str(mlflow.get_model_version_by_alias(NAME, "champion").version) == first.model.version
    told = mlflow.get_model_version(NAME, worse.model.version).tags["afina.promotion"]
    assert told.startswith("the test against the present champion has p ")

    better = register(tmp_path / "better", "3", without=[])
    assert better.model
    assert better.model.aliases == ["candidate", "champion"]
    assert str(mlflow.get_model_version_by_alias(NAME, "candidate").version) == better.model.version

    artifact = Path(str(version.source).removeprefix("file://")) / "afina" / "member-0.npz"
    content = bytearray(artifact.read_bytes())
    content[-1] ^= 1
    artifact.write_bytes(content)
    with pytest.raises(DigestError):
        load_version(version)


def test_what_was_measured_of_images_is_told(mlflow: MlflowClient, tmp_path: Path) -> None:
    measured = {"versions": {"Classical": 1, "EfficientNetLite0": 1}, "min_width": 32, "min_height": 24}
    measured |= {"columns": {"Classical": ["a"], "EfficientNetLite0": ["b"]}, "min_quality": 0.5}
    images = {"column": "image", "features": ["a", "b"], "measured": measured}
    for uid, without, columns, needs in (
        ("seen", ["c"], {"Classical": ["a"], "EfficientNetLite0": ["b"]}, "torch"),
        ("less", ["b"], {"Classical": ["a"]}, None),
    ):
        found = register(tmp_path / uid, uid, without, name=uid, images=images)
        assert found.model
        version = mlflow.get_model_version(uid, found.model.version)
        assert version.tags.get("afina.needs") == needs
        files = Path(str(version.source).removeprefix("file://")) / "afina"
        told = json.loads((files / "images.json").read_text())
        assert (told["columns"], told["versions"]) == (columns, dict.fromkeys(columns, 1))
        assert (told["min_width"], told["min_height"], told["min_quality"]) == (32, 24, 0.5)
