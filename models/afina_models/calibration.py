"""Makes probabilities mean what they say: of the rows that get 0.8, eight in ten are of the class."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from afina_models.arrays import Array, both, expit, logit

EDGE = 1e-6
"""No probability is nearer to 0 or 1."""


@dataclass(frozen=True)
class Calibration:
    """A curve for each class, of points between which lines are drawn; probabilities then sum to 1 again."""

    kind: str
    """None, Sigmoid or Isotonic."""
    curves: list[dict[str, list[float]]]

    def __call__(self, probabilities: Array) -> Array:
        """Calibrated probabilities."""
        if not self.curves:
            return probabilities
        if len(self.curves) == 1:
            return both(self._curve(0, probabilities[:, 1]))
        found = np.column_stack([self._curve(index, part) for index, part in enumerate(probabilities.T)])
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def _curve(self, index: int, chances: Array) -> Array:
        curve = self.curves[index]
        if self.kind == "Sigmoid":
            slope, shift = curve["line"]
            return expit(slope * logit(np.clip(chances, EDGE, 1 - EDGE)) + shift)
        return np.clip(np.interp(chances, curve["x"], curve["y"]), EDGE, 1 - EDGE)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "curves": self.curves}


NONE = Calibration("None", [])
