"""Volumes of Datasets, as the reading Job leaves them, and AutoMLJobs that learn from them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from afina_api.automljob import AutoMLJob

DIGEST = "sha256:" + "0" * 64


def a_dataset(
    folder: Path,
    frame: pd.DataFrame,
    types: Mapping[str, str] | None = None,
    digest: str = DIGEST,
    images: Mapping[str, Any] | None = None,
) -> Path:
    """The volume of a Dataset with these rows; columns are numeric where nothing else is said."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = dict.fromkeys(map(str, frame.columns), "Numeric") | dict(types or {})
    frame.rename(columns=str).to_parquet(folder / "data.parquet")
    columns = [{"name": name, "type": kind, "missing": 0} for name, kind in kinds.items()]
    about = {"name": "some", "namespace": "default", "digest": digest, "rows": len(frame), "columns": columns}
    about["images"] = images
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def an_automl_job(**spec: Any) -> AutoMLJob:
    """An AutoMLJob that predicts `target` by a few quick models."""
    default = {
        "datasetRef": {"name": "some"},
        "target": "target",
        "models": ["Linear", "LightGBM"],
        "budget": {"timeSeconds": 60, "maxModels": 2},
        "validation": {"folds": 3},
    }
    return AutoMLJob.model_validate(
        {
            "apiVersion": "afina.dev/v1alpha1",
            "kind": "AutoMLJob",
            "metadata": {"name": "some", "namespace": "default"},
            "spec": default | spec,
        }
    )
