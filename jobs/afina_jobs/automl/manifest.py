"""The manifest: all that it takes to do the job again and to compare."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from typing import Any

from afina_api.automljob import AutoMLJob
from afina_api.base import Tracking, as_json
from afina_jobs.automl.checkpoint import Checkpoint
from afina_jobs.automl.choosing import Chosen
from afina_jobs.automl.data import Data

FORMAT = 1


def manifest(
    job: AutoMLJob,
    data: Data,
    checkpoints: Sequence[Checkpoint],
    chosen: Chosen,
    scores: Mapping[str, float],
    *,
    quantized: bool,
) -> dict[str, Any]:
    """The manifest of a job that has chosen its model."""
    return {
        "format": FORMAT,
        "job": {"name": job.metadata.name, "namespace": job.metadata.namespace, "uid": job.metadata.uid},
        "spec": as_json(job.spec),
        "dataset": data.settled.digest,
        "problem": asdict(data.settled.problem),
        "seed": data.settled.seed,
        "threads": data.settled.threads,
        "folds": data.splits.digest,
        "models": [
            {
                "family": known.family,
                "number": known.number,
                "params": dict(known.params),
                "score": known.score,
                "rounds": known.rounds,
            }
            for known in checkpoints
        ],
        "chosen": chosen.candidate.recipe.name,
        "quantized": quantized,
        "scores": dict(scores),
        "model": chosen.digest,
        "packages": freeze(),
        "image": os.environ.get("AFINA_IMAGE"),
        "revision": revision(),
        "tracking": None,
    }


def tracked(found: Mapping[str, Any], tracking: Tracking) -> dict[str, Any]:
    """The manifest, with the run in MLflow."""
    return {**found, "tracking": as_json(tracking)}


def freeze() -> dict[str, str]:
    """Versions of all installed packages."""
    return dict(sorted((found.metadata["Name"].lower(), found.version) for found in distributions()))


@dataclass(frozen=True)
class Comparison:
    """How a repetition compares with the first time, in words; nothing where all is equal."""

    results: Sequence[str]
    """What came out differently."""
    packages: Sequence[str]
    """What was installed in another version."""


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """What differs between a manifest and that of a repetition."""
    results = [
        f"{name}: {first[name]} and {second[name]}"
        for name in ("dataset", "folds", "chosen", "model")
        if first[name] != second[name]
    ]
    for name, value in first["scores"].items():
        if value != second["scores"].get(name):
            results.append(f"score {name}: {value} and {second['scores'].get(name)}")
    packages = [
        f"{name}: {version} and {second['packages'][name]}"
        for name, version in first["packages"].items()
        if second["packages"].get(name, version) != version
    ]
    return Comparison(results, packages)


def revision() -> str | None:
    """The git revision of the working directory, with `-dirty` where it has changes; None where there is none."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
