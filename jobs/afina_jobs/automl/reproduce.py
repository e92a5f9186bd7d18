"""Does a job again by its manifest, and compares."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afina_api.automljob import AutoMLJob
from afina_jobs.automl.learn import Place, Repeat, learn
from afina_jobs.automl.manifest import differences


async def reproduce(first: Mapping[str, Any], place: Place) -> list[str]:
    """Fit the models of a manifest again and compare; the differences in words, none where all is equal.

    The search is not repeated, since how far it comes depends on the clock: the models that it tried are.

    Args:
        first: the manifest of the first time.
        place: the Dataset's volume, and empty folders for the second.

    Raises:
        CannotLearnError: it came to nothing this time.
    """
    spec = {name: value for name, value in first["spec"].items() if name not in ("registerAs", "promotion")}
    job = AutoMLJob.model_validate(
        {
            "apiVersion": "afina.dev/v1alpha1",
            "kind": "AutoMLJob",
            "metadata": {"name": first["job"]["name"], "namespace": first["job"]["namespace"]},
            "spec": {**spec, "constraints": None},
        }
    )
    await learn(job, place, lambda _progress: None, Repeat(first["models"], first["chosen"]))
    return differences(first, await asyncio.to_thread(_read, place.study / "manifest.json"))


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found
