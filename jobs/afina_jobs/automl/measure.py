"""Loads exported models in a process of its own, one row at a time in one thread, as a server would.

It tells how long a row takes, and what was predicted: the parity with the driver's own batch is judged by it.
Usage: `python -m afina_jobs.automl.measure ROWS.json FOLDER=DIGEST ...`; a line of JSON for each model.
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

    p95_milliseconds: float
    predicted: Array
    """Of each row alone."""


def measure(rows: Sequence[Mapping[str, Any]], models: Mapping[Path, str], folder: Path) -> list[Measured]:
    """Measure exported models, given with their digests, on some rows.

    Raises:
        subprocess.CalledProcessError: one of them cannot be loaded, or cannot predict.
    """
    file = folder / "sample.json"
    file.write_text(json.dumps(list(rows)))
    found = subprocess.run(
        [sys.executable, "-P", "-m", "afina_jobs.automl.measure", str(file), *(f"{p}={d}" for p, d in models.items())],
        env={**os.environ, **_ONE_THREAD},
        capture_output=True,
        text=True,
        check=True,
        timeout=_TIMEOUT_SECONDS,
    )
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    return [Measured(line["p95"], np.array(line["predicted"])) for line in lines]


def main() -> None:
    """Measure each model in turn."""
    from afina_models.predictor import Predictor

    rows = json.loads(Path(sys.argv[1]).read_text())
    for argument in sys.argv[2:]:
        folder, _, digest = argument.rpartition("=")
        model = Predictor.load(Path(folder), digest)
        predicted = [model.values([row])[0].tolist() for row in rows]
        line = {"p95": _p95_milliseconds(model, rows), "predicted": predicted}
        sys.stdout.write(json.dumps(line) + "\n")


def _p95_milliseconds(model: Any, rows: Sequence[Mapping[str, Any]]) -> float:
    seconds: list[float] = []
    ends = time.perf_counter() + _MAX_SECONDS
    while len(seconds) < _MIN_CALLS and (time.perf_counter() < ends or len(seconds) < len(rows)):
        row = rows[len(seconds) % len(rows)]
        began = time.perf_counter()
        model.predict([row])
        seconds.append(time.perf_counter() - began)
    return float(np.percentile(seconds, 95)) * 1000


if __name__ == "__main__":
    main()
