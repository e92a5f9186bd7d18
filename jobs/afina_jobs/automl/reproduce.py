"""Does a job again by its manifest, and compares."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afina_api.automljob import AutoMLJob
from afina_api.reasons import AutoMLReason
from afina_jobs.automl.learn import Place, Repeat, learn
from afina_jobs.automl.manifest import Comparison, compare
from afina_jobs.automl.problem import CannotLearnError, read_table


async def reproduce(first: Mapping[str, Any], place: Place) -> Comparison:
    """Fit the models of a manifest again and compare.

    The search is not repeated, since how far it comes depends on the clock: the models that it tried are. Nothing is
    registered, or written to MLflow.

    Args:
        first: the manifest of the first time.
        place: the Dataset's volume, and empty folders for the second.

    Raises:
        CannotLearnError: it came to nothing this time, or the data is not the manifest's.
    """
    table = await asyncio.to_thread(read_table, place.dataset)
    if table.digest != first["dataset"]:
        message = f"the manifest is of the data {first['dataset']}, and {place.dataset} holds {table.digest}"
        raise CannotLearnError(AutoMLReason.DATASET_UNREADABLE, message)
    repeat = Repeat(first["models"], first["chosen"], first["threads"], first.get("quantized", False))
    await learn(_job(first), place, lambda _progress: None, repeat)
    return compare(first, await asyncio.to_thread(_read, place.study / "manifest.json"))


def _job(first: Mapping[str, Any]) -> AutoMLJob:
    spec = {name: value for name, value in first["spec"].items() if name not in ("registerAs", "promotion")}
    return AutoMLJob.model_validate(
        {
            "apiVersion": "afina.dev/v1alpha1",
            "kind": "AutoMLJob",
            "metadata": {"name": first["job"]["name"], "namespace": first["job"]["namespace"]},
            "spec": {**spec, "constraints": None},
        }
    )


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
