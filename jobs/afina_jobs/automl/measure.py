"""Loads exported models in a process of its own, one row at a time in one thread, as a server would.

It tells how long a row takes, and what was predicted: the parity with the driver's own batch is judged by it.
Usage: `python -m afina_jobs.automl.measure ROWS.json '{"FOLDER": "DIGEST", ...}' ...`; a line of JSON for each model.
Those of one argument are asked in turn, row by row, so that what else the machine does meets all of them alike.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afina_models.arrays import Array

SAMPLE_ROWS = 100
_MIN_CALLS = 300
_MAX_SECONDS = 3.0
_TIMEOUT_SECONDS = 600
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")


@dataclass(frozen=True)
class Measured:
    """One model, as a server would see it."""

    p50_milliseconds: float
    p95_milliseconds: float
    predicted: Array
    """Of each row alone."""


def measure(rows: Sequence[Mapping[str, Any]], models: Sequence[Mapping[Path, str]], folder: Path) -> list[Measured]:
    """Measure exported models on some rows.

    Args:
        rows: as JSON has them.
        models: folders with their digests; those of one mapping side by side, which have to fit into memory together.
        folder: for a file on the way.

    Raises:
        subprocess.CalledProcessError: one of them cannot be loaded, or cannot predict.
    """
    file = folder / "sample.json"
    file.write_text(json.dumps(list(rows)))
    groups = [json.dumps({str(place): digest for place, digest in group.items()}) for group in models]
    found = subprocess.run(
        [sys.executable, "-P", "-m", "afina_jobs.automl.measure", str(file), *groups],
        env={**os.environ, **_ONE_THREAD},
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_SECONDS,
    )
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    return [Measured(line["p50"], line["p95"], np.array(line["predicted"])) for line in lines]


def main() -> None:
    """Measure each group of models in turn."""
    from afina_models.predictor import Predictor

    rows = json.loads(Path(sys.argv[1]).read_text())
    for group in sys.argv[2:]:
        models = [Predictor.load(Path(folder), digest) for folder, digest in json.loads(group).items()]
        predicted = [[model.values([row])[0].tolist() for row in rows] for model in models]
        for said, seconds in zip(predicted, _seconds(models, rows), strict=True):
            p50, p95 = np.percentile(seconds, [50, 95]) * 1000
            sys.stdout.write(json.dumps({"p50": p50, "p95": p95, "predicted": said}) + "\n")


def _seconds(models: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Of each model, how long rows take one after the other."""
    found: list[list[float]] = [[] for _ in models]
    ends = time.perf_counter() + _MAX_SECONDS * len(models)
    calls = 0
    while calls < _MIN_CALLS and (time.perf_counter() < ends or calls < len(rows)):
        for model, seconds in zip(models, found, strict=True):
            began = time.perf_counter()
            model.predict([rows[calls % len(rows)]])
            seconds.append(time.perf_counter() - began)
        calls += 1
    return found


if __name__ == "__main__":
    main()
