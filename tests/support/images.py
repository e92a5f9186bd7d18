"""Datasets of images as the reading Job makes them, and the model that knows the faces of the example."""

import base64
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

from afina_api.dataset import Dataset
from afina_jobs.automl.data import settle_data
from afina_jobs.automl.export import Uncertainty
from afina_jobs.dataset.build import Place, build
from afina_jobs.dataset.sources.addresses import AllowList
from support.datasets import an_automl_job
from support.models import exported

MANIFEST = Path(__file__).parents[2] / "manifests/21-automljob-images.yaml"
FACES = 60
"""Of the example's images, the first."""


def an_image_dataset(folder: Path, files: Mapping[str, bytes], labels: str, **images: Any) -> Path:
    """The volume of a Dataset of these images."""
    source = folder / "mounted" / "source"
    source.mkdir(parents=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "labels.csv").write_text(labels)
    dataset = Dataset.model_validate(
        {
            "apiVersion": "afina.dev/v1alpha1",
            "kind": "Dataset",
            "metadata": {"name": "images", "uid": "1"},
            "spec": {
                "source": {"volume": {"claimRef": {"name": "lake"}, "path": "source"}},
                "format": "Images",
                "images": images,
            },
        }
    )
    place = Place(folder / "mounted", folder / "dataset", folder / "workspace", AllowList([]), {})
    found = build(dataset, place, datetime(2026, 1, 1, tzinfo=UTC))
    assert found.succeeded, found.message
    return folder / "dataset"


def faces(folder: Path) -> Path:
    """The volume of the example's Dataset, of its first images."""
    config_map, dataset, _ = yaml.safe_load_all(MANIFEST.read_text())
    with ZipFile(io.BytesIO(base64.b64decode(config_map["binaryData"]["faces.zip"]))) as opened:
        labels = list(islice(opened.read("labels.csv").decode().splitlines(), FACES + 1))
        files = {name: opened.read(name) for name in (line.split(",")[0] for line in labels[1:])}
    return an_image_dataset(folder, files, "\n".join(labels), **dataset["spec"]["images"])


def a_face_model(folder: Path) -> str:
    """Export a model of what is a face, learned from the example's Dataset in `folder / "dataset"`; its digest."""
    data, _, _ = settle_data(an_automl_job(target="face").spec, faces(folder), folder / "settled", 1)
    settled = data.settled
    uncertain = Uncertainty(doubt=0.9)
    return exported(
        folder,
        data.frame,
        data.target,
        settled.types,
        ["Linear"],
        settled.problem.classes,
        uncertain,
        images=settled.images,
    )
