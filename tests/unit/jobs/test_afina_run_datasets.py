"""`afina run` with Datasets and AutoMLJobs, as a user runs it."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from afina_api import API_VERSION
from afina_jobs.specfile.data import LoadedData
from afina_jobs.specfile.load import load
from support.laptop import afina, afina_alone

MANIFESTS = Path(__file__).parents[3] / "manifests"
ROWS = "".join(f"{row % 7},{row % 11},{3 * (row % 7) - (row % 11) + (row * 37 % 13) / 5}\n" for row in range(120))
TABLE = f"a,b,y\n{ROWS}"


def a_config_map(table: str = TABLE) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "table"}, "data": {"table.csv": table}}


def a_dataset(name: str = "table", **spec: object) -> dict[str, Any]:
    source = {"configMap": {"name": "table", "key": "table.csv"}}
    spec = {"source": source, "format": "CSV"} | spec
    return {"apiVersion": API_VERSION, "kind": "Dataset", "metadata": {"name": name}, "spec": spec}


def a_job(name: str = "model", **spec: object) -> dict[str, Any]:
    quick = {"models": ["Linear"], "ensemble": "None", "budget": {"timeSeconds": 60, "maxModels": 1}}
    spec = {"datasetRef": {"name": "table"}, "target": "y", "validation": {"folds": 2}} | quick | spec
    return {"apiVersion": API_VERSION, "kind": "AutoMLJob", "metadata": {"name": name}, "spec": spec}


def write(folder: Path, *documents: object) -> Path:
    file = folder / "data.yaml"
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return file


def test_makes_the_dataset_first_and_leaves_a_report_and_a_model(tmp_path: Path) -> None:
    job = a_job(registerAs="mine", promotion={})
    dataset = a_dataset(validation=[{"column": "a", "max": 6, "maxViolationShare": 0.5}])
    found = afina_alone("run", write(tmp_path, job, dataset, a_config_map(TABLE + "9,1,2\n")), cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    root = tmp_path / "afina-runs"
    made, learned = root / "dataset.table", root / "automljob.model"
    said = [
        "Dataset table",
        "Accepted: ",
        "120 rows of 3 columns accepted",
        "  rejected 1: ",
        "Digest: sha256:",
        f"Report: {made}/report.html",
        "AutoMLJob model: predict y, up to 60 s and 1 models",
        "not registered as mine: MLFLOW_TRACKING_URI is not set",
        "best so far, 1 models: Linear RMSE",
        "ModelReady: Linear: RMSE",
        "* Linear",
        "On the holdout:\n  RMSE: ",
        f"Report: {learned}/report.html",
        f"Model: {learned}/model",
    ]
    rest = found.stdout
    for words in said:
        assert words in rest, found.stdout
        rest = rest.partition(words)[2]
    for path in (made / "report.html", made / "data.parquet", learned / "report.html", learned / "model"):
        assert path.exists(), path
    assert json.loads((learned / "manifest.json").read_text())["spec"]["target"] == "y"


def test_goes_on_with_the_same_data_only(tmp_path: Path) -> None:
    for _ in range(2):
        found = afina("run", write(tmp_path, a_config_map(), a_dataset(), a_job()), cwd=tmp_path)
        assert found.exit_code == 0, found.output
    found = afina("run", write(tmp_path, a_config_map(TABLE + "1,2,3\n"), a_dataset(), a_job()), cwd=tmp_path)
    assert found.exit_code == 1
    assert "121 rows of 3 columns accepted" in found.stdout
    assert "was begun with other data: remove it, or choose another place with --output" in found.stdout


def test_reads_a_volume_and_runs_the_named_job_only(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "mine.csv").write_text(TABLE)
    dataset = a_dataset(source={"volume": {"claimRef": {"name": "claim"}, "path": "mine.csv"}})
    jobs = a_job("first"), a_job("second")
    file = write(tmp_path, dataset, a_dataset("unneeded"), a_config_map(), *jobs)
    wanted = ["--volume", f"claim={folder}", "--name", "second", "--output", "out"]
    found = afina("run", file, *wanted, cwd=tmp_path)
    assert found.exit_code == 0, found.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["automljob.second", "dataset.table"]


def test_ends_at_a_dataset_that_breaks_a_rule(tmp_path: Path) -> None:
    dataset = a_dataset(validation=[{"column": "a", "max": 5}])
    found = afina("run", write(tmp_path, a_config_map(), dataset, a_job()), cwd=tmp_path)
    assert found.exit_code == 1
    assert "ValidationFailed: a: max 5" in found.stdout
    assert "  Error: a: max 5" in found.stdout
    assert f"Report: {tmp_path}/afina-runs/dataset.table/report.html" in found.stdout
    assert "AutoMLJob model" not in found.stdout


def test_says_why_there_is_no_model_and_lets_the_data_be_corrected(tmp_path: Path) -> None:
    for table in (TABLE, TABLE + "1,2,3\n"):
        found = afina("run", write(tmp_path, a_config_map(table), a_dataset(), a_job(target="z")), cwd=tmp_path)
        assert found.exit_code == 1
        assert "\nTargetMissing: " in found.stdout
        assert "Next: see " in found.stdout


CLAIM = {"volume": {"claimRef": {"name": "claim"}, "path": "mine.csv"}}
BAD_DOCUMENTS = {
    "an unknown Dataset": (
        [a_dataset("other"), a_config_map(), a_job()],
        ": spec.datasetRef.name: there is no Dataset 'table' in this file; there is: other (line 1)",
    ),
    "no Dataset": ([a_job()], ": spec.datasetRef.name: there is no Dataset 'table' in this file; there is: none"),
    "no ConfigMap": ([a_dataset()], ": spec.source.configMap.name: there is no ConfigMap 'table' in this file; add"),
    "a volume without a folder": (
        [a_dataset(source=CLAIM)],
        ": spec.source.volume.claimRef.name: say which folder stands for the volume 'claim' on this machine: --volume",
    ),
    "a field that is not there": (
        [a_dataset(), a_job(targe="y")],
        ": spec.targe: there is no such field; did you mean target? Allowed: budget, constraints, ",
    ),
    "a wrong value": (
        [a_dataset(format="XLS")],
        ":10: spec.format: must be 'CSV', 'TSV', 'JSONLines', 'Parquet' or 'Images', got 'XLS'",
    ),
    "two of one name": ([a_dataset(), a_dataset()], ": metadata.name: 'table' is there twice, first on line 1"),
    "a TuningJob too": ([a_dataset(), {"kind": "TuningJob"}], ": kind: a TuningJob runs from a file of its own here"),
}


@pytest.mark.parametrize(("documents", "message"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_says_what_is_wrong_and_on_which_line(documents: list[object], message: str, tmp_path: Path) -> None:
    file = write(tmp_path, *documents)
    found = afina("run", file)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stderr.startswith(f"{file}:")


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/a.csv", "http://[x/a.csv"])
def test_says_that_a_url_is_none(url: str, tmp_path: Path) -> None:
    found = afina("run", write(tmp_path, a_dataset(source={"http": {"url": url}})), cwd=tmp_path)
    assert found.exit_code == 1
    assert "SourceNotAllowed: the URL's host or port is none: " in found.stdout
    assert "Traceback" not in found.stderr


def test_refuses_a_name_and_a_folder_that_are_not_there(tmp_path: Path) -> None:
    file = write(tmp_path, a_dataset(), a_config_map(), a_job())
    assert "no AutoMLJob 'other' in this file; there is: model (line " in afina("run", file, "--name", "other").stderr
    found = afina("run", file, "--volume", f"claim={tmp_path}/nothing")
    assert (found.exit_code, "say NAME=FOLDER, with a folder that is there" in found.stderr) == (2, True)


@pytest.mark.parametrize("manifest", sorted(MANIFESTS.glob("2*-automljob-*.yaml")), ids=lambda path: path.name)
def test_reads_the_examples(manifest: Path) -> None:
    loaded = load(manifest, None, {})
    assert isinstance(loaded, LoadedData)
    assert (len(loaded.datasets), len(loaded.jobs)) == (1, 1)


def test_runs_the_dataset_of_photographs(tmp_path: Path) -> None:
    found = afina("run", MANIFESTS / "20-dataset-images.yaml", cwd=tmp_path)
    assert found.exit_code == 0, found.output
    folder = tmp_path / "afina-runs" / "dataset.photographs"
    assert "Accepted: 6 rows of 29 columns accepted, 5 rejected" in found.stdout
    with (folder / "rejected.csv").open(newline="") as stream:
        listed = {row["detail"].partition(":")[0]: row["reason"] for row in csv.DictReader(stream)}
    assert listed == {
        "blurred.jpg": "LowQuality",
        "copy.jpg": "DuplicateImage",
        "cut-off.jpg": "UnreadableImage",
        "dark.jpg": "LowQuality",
        "small.jpg": "TooSmall",
    }
