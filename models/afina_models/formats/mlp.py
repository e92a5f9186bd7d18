"""A multilayer perceptron; what is kept is the arrays of its layers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afina_models.arrays import Array, softmax
from afina_models.formats.base import Format

_CHUNK = 2**14
"""Rows that are predicted at a time: their hidden layers are wider than they are."""


@dataclass(frozen=True)
class Perceptron:
    """Weights and biases of its layers, with ReLU between them."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    classes: int
    middle: float
    spread: float
    """A numeric target was standardised by these."""
    rounds: int | None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        parts = [self._outputs(features[start : start + _CHUNK]) for start in range(0, max(1, len(features)), _CHUNK)]
        found = np.concatenate(parts)
        return softmax(found) if self.classes else found[:, 0] * self.spread + self.middle

    def _outputs(self, features: Array) -> Array:
        found = features.astype(float)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found = (np.maximum(found, 0) if index else found) @ weight + bias
        return found

    def save(self, file: Path) -> None:
        """Write the arrays, of 32 bits as torch has fitted them; sums of 32 would depend on the rows beside."""
        layers: dict[str, Any] = {f"weight{index}": weight for index, weight in enumerate(self.weights)}
        layers |= {f"bias{index}": bias for index, bias in enumerate(self.biases)}
        layers = {name: values.astype(np.float32) for name, values in layers.items()}
        np.savez(file, about=np.array([self.classes, self.middle, self.spread], dtype=float), **layers)


def load(file: Path) -> Perceptron:
    """Read the arrays."""
    with np.load(file, allow_pickle=False) as state:
        layers = range(sum(name.startswith("weight") for name in state))
        classes, middle, spread = state["about"].tolist()
        weights, biases = (
            tuple(state[f"{name}{index}"].astype(float) for index in layers) for name in ("weight", "bias")
        )
        return Perceptron(weights, biases, int(classes), middle, spread)


FORMAT = Format("MLP", "Scaled", ".npz", load)
