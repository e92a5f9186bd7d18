"""LightGBM, kept in its text format."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from afina_models.arrays import Array, both
from afina_models.formats.base import Format
from afina_models.imports import without

if TYPE_CHECKING:
    import lightgbm  # slow to import; a library that is broken breaks no other format


@dataclass(frozen=True)
class Boosted:
    """A booster."""

    booster: "lightgbm.Booster"
    classes: int
    threads: int
    rounds: int | None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        found = self.booster.predict(features, num_iteration=self.rounds, num_threads=self.threads)
        numbers = np.asarray(found, dtype=float)
        return both(numbers) if self.classes == 2 else numbers

    def contributions(self, features: Array) -> Array:
        """TreeSHAP of each feature, and the expectation last; of several classes one set after the other."""
        return np.asarray(self.booster.predict(features, pred_contrib=True, num_threads=self.threads))

    def save(self, file: Path) -> None:
        """Write the booster."""
        self.booster.save_model(file, num_iteration=self.rounds)


def load(file: Path) -> Boosted:
    """Read a booster; it predicts in one thread."""
    # They are two thirds of the memory of a model server.
    with without("pandas", "sklearn"):
        import lightgbm

    booster = lightgbm.Booster(model_file=file)
    binary = file.read_text().partition("objective=")[2].startswith("binary")
    return Boosted(booster, 2 if binary else 0, 1)


FORMAT = Format("LightGBM", "Plain", ".txt", load)
