"""What a cross-validated model leaves: its predictions of rows that it had not seen. Ensembles are made of them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afina_jobs.contract import Value
from afina_models.arrays import Array


@dataclass(frozen=True)
class Checkpoint:
    """A model with its parameters, as all folds have judged it."""

    family: str
    number: int
    """Of its trial, within the family."""
    params: Mapping[str, Value]
    predicted: Array
    """Of each row of the development part; NaN where no fold tests it."""
    fold_scores: tuple[float, ...]
    fit_seconds: float
    rounds: int | None
    """Mean of the folds."""

    @property
    def name(self) -> str:
        """Tells it from all others of the job."""
        return f"{self.family}-{self.number}"

    @property
    def score(self) -> float:
        """Mean of the folds."""
        return float(np.mean(self.fold_scores))

    def save(self, folder: Path) -> None:
        """Write it, wholly or not at all."""
        about = {
            "family": self.family,
            "number": self.number,
            "params": dict(self.params),
            "fold_scores": self.fold_scores,
            "fit_seconds": self.fit_seconds,
            "rounds": self.rounds,
        }
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{self.name}.npz"
        np.savez_compressed(unfinished, predicted=self.predicted, about=json.dumps(about))
        os.replace(unfinished, folder / f"{self.name}.npz")


def load(file: Path) -> Checkpoint:
    """Read one."""
    with np.load(file, allow_pickle=False) as state:
        about = json.loads(str(state["about"]))
        return Checkpoint(**about | {"fold_scores": tuple(about["fold_scores"])}, predicted=state["predicted"])


def load_all(folder: Path) -> list[Checkpoint]:
    """All that are there, by name."""
    return [load(file) for file in sorted(folder.glob("[!.]*-*.npz"))]
