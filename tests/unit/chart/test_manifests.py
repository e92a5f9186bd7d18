"""The numbered examples: valid, complete in one file, and the first one short."""

import base64
import io
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from afina_api.automljob import AutoMLJob
from afina_api.dataset import Dataset
from afina_api.tuningjob import TuningJob

FOLDER = Path(__file__).parents[3] / "manifests"
MANIFESTS = sorted(FOLDER.glob("*-tuningjob-*.yaml"))
DATASETS = sorted(FOLDER.glob("*-dataset-*.yaml"))
AUTOML = sorted(FOLDER.glob("*-automljob-*.yaml"))
HALF_A_SCREEN = 20
ANNOTATIONS_LIMIT = 256 * 2**10


@pytest.fixture(params=MANIFESTS, ids=lambda path: path.name)
def documents(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(request.param.read_text()))


def test_there_are_examples() -> None:
    assert [path.name[:2] for path in MANIFESTS] == ["10", "11", "12", "13", "14", "15"]
    assert [path.name for path in DATASETS] == ["20-dataset-images.yaml", "20-dataset-s3.yaml"]
    assert "21-automljob-images.yaml" in [path.name for path in AUTOML]


def test_every_tuning_job_is_valid_and_brings_its_files(documents: list[dict[str, Any]]) -> None:
    files = {document["metadata"]["name"] for document in documents if document["kind"] == "ConfigMap"}
    (job,) = [TuningJob.model_validate(document) for document in documents if document["kind"] == "TuningJob"]
    needed = {job.spec.trial.source.config_map_ref.name} if job.spec.trial.source else set()
    assert needed == files


def test_no_namespace_is_forced(documents: list[dict[str, Any]]) -> None:
    assert all("namespace" not in document["metadata"] for document in documents)


def test_the_first_fits_on_half_a_screen() -> None:
    assert len(MANIFESTS[0].read_text().splitlines()) <= HALF_A_SCREEN


@pytest.mark.parametrize("path", AUTOML, ids=lambda path: path.name)
def test_every_automl_job_brings_its_dataset_and_that_its_file(path: Path) -> None:
    found = {document["kind"]: document for document in yaml.safe_load_all(path.read_text())}
    dataset, job = Dataset.model_validate(found["Dataset"]), AutoMLJob.model_validate(found["AutoMLJob"])
    assert job.spec.dataset_ref.name == dataset.metadata.name
    header = labels_of(dataset, found["ConfigMap"]).splitlines()[0]
    assert job.spec.target in header.split(",")


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.name)
def test_every_dataset_brings_its_file_or_names_the_keys_to_it(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    config_maps = [document for document in documents if document["kind"] == "ConfigMap"]
    datasets = [Dataset.model_validate(document) for document in documents if document["kind"] == "Dataset"]
    for dataset in datasets:
        if dataset.spec.source.s3:
            assert dataset.spec.source.s3.secret_ref
        else:
            assert labels_of(dataset, config_maps[0])
    assert len(datasets) + len(config_maps) == len(documents)


def labels_of(dataset: Dataset, config_map: dict[str, Any]) -> str:
    """The table, or the labels of the images."""
    source = dataset.spec.source.config_map
    assert source
    assert source.name == config_map["metadata"]["name"]
    if dataset.spec.format != "Images":
        return str(config_map["data"][source.key])
    content = base64.b64decode(config_map["binaryData"][source.key], validate=True)
    with ZipFile(io.BytesIO(content)) as opened:
        return opened.read("labels.csv").decode()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_can_be_applied(path: Path) -> None:
    """`kubectl apply` keeps a copy of each object in an annotation, and annotations have a limit."""
    assert len(path.read_bytes()) < ANNOTATIONS_LIMIT * 0.75
