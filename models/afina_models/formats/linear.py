"""Linear and logistic regression; what is kept is coefficients."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afina_models.arrays import Array, softmax
from afina_models.formats.base import Format


@dataclass(frozen=True)
class Linear:
    """Coefficients; of classes one column each."""

    coefficients: Array
    intercept: Array
    classes: int
    rounds: None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        found: Array = features.astype(float) @ self.coefficients + self.intercept
        return softmax(found) if self.classes else found[:, 0]

    def save(self, file: Path) -> None:
        """Write the coefficients."""
        np.savez(file, coefficients=self.coefficients, intercept=self.intercept, classes=self.classes)


def load(file: Path) -> Linear:
    """Read the coefficients."""
    with np.load(file, allow_pickle=False) as state:
        return Linear(state["coefficients"], state["intercept"], int(state["classes"]))


FORMAT = Format("Linear", "Scaled", ".npz", load)
