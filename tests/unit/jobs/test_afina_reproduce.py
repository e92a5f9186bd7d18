"""`afina reproduce`, as a user runs it after `afina run`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from afina_api import API_VERSION
from support.laptop import afina

ROWS = "".join(f"{row % 7},{row % 11},{3 * (row % 7) - (row % 11) + (row * 37 % 13) / 5}\n" for row in range(120))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished AutoMLJob, with that of its Dataset next to it."""
    root = tmp_path_factory.mktemp("first")
    dataset = {"source": {"configMap": {"name": "table", "key": "t.csv"}}, "format": "CSV"}
    learning = {
        "datasetRef": {"name": "table"},
        "target": "y",
        "models": ["Linear", "LightGBM"],
        "budget": {"timeSeconds": 120, "maxModels": 3},
        "validation": {"folds": 2},
    }
    documents: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "table"}, "data": {"t.csv": f"a,b,y\n{ROWS}"}},
        {"apiVersion": API_VERSION, "kind": "Dataset", "metadata": {"name": "table"}, "spec": dataset},
        {"apiVersion": API_VERSION, "kind": "AutoMLJob", "metadata": {"name": "model"}, "spec": learning},
    ]
    (root / "all.yaml").write_text(yaml.safe_dump_all(documents))
    found = afina("run", root / "all.yaml", "--output", root / "runs")
    assert found.exit_code == 0, found.output
    return root / "runs" / "automljob.model"


def changed(job: Path, folder: Path, **fields: object) -> Path:
    """A copy of the manifest that says something else."""
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads((job / "manifest.json").read_text()) | fields))
    return file


def test_equal_in_all_that_counts(job: Path, tmp_path: Path) -> None:
    found = afina("reproduce", job / "manifest.json", "--output", tmp_path / "again")
    assert found.exit_code == 0, found.output
    first = json.loads((job / "manifest.json").read_text())
    assert f"Equal: {first['chosen']}, RMSE " in found.output
    assert f"Model: {first['model']}" in found.output
    again = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert again["scores"] == first["scores"]
    assert again["models"] == first["models"]


def test_tells_what_is_different_and_what_may_be_the_cause(job: Path, tmp_path: Path) -> None:
    first = json.loads((job / "manifest.json").read_text())
    wrong = changed(
        job, tmp_path, scores=first["scores"] | {"RMSE": 0.125}, packages=first["packages"] | {"numpy": "1.0"}
    )
    found = afina("reproduce", wrong, "--dataset", job.parent / "dataset.table")
    assert found.exit_code == 1
    assert f"score RMSE: 0.125 and {first['scores']['RMSE']}" in found.output
    assert f"numpy: 1.0 and {first['packages']['numpy']}" in found.output


def test_other_data_is_named(job: Path, tmp_path: Path) -> None:
    found = afina("reproduce", changed(job, tmp_path, dataset="sha256:0"), "--dataset", job.parent / "dataset.table")
    assert found.exit_code == 1
    assert "DatasetUnreadable: the manifest is of the data sha256:0, and" in found.output


def test_refuses_what_it_cannot_repeat(job: Path, tmp_path: Path) -> None:
    alone = shutil.copy(job / "manifest.json", tmp_path / "manifest.json")
    found = afina("reproduce", alone)
    assert found.exit_code == 2
    assert "say with --dataset where the Dataset is" in found.output
    for fields in ({"format": 2}, {"spec": {"target": "y"}}):
        found = afina("reproduce", changed(job, tmp_path, **fields))
        assert found.exit_code == 2
        assert "give the manifest.json of an AutoMLJob" in found.output
    found = afina("reproduce", job / "manifest.json", "--output", job)
    assert found.exit_code == 2
    assert "is not empty: choose another folder with --output" in found.output
