"""Makes probabilities mean what they say: of the rows that get 0.8, eight in ten are of the class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from afina_jobs.automl.metrics import log_loss
from afina_jobs.automl.problem import Array

_EDGE = 1e-6
_MIN_ISOTONIC_ROWS = 1000
"""With fewer rows isotonic regression overfits (Niculescu-Mizil and Caruana, 2005)."""
_WEAK = 1e4


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
            second = self._curve(0, probabilities[:, 1])
            return np.column_stack([1 - second, second])
        found = np.column_stack([self._curve(index, part) for index, part in enumerate(probabilities.T)])
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def _curve(self, index: int, chances: Array) -> Array:
        curve = self.curves[index]
        if self.kind == "Sigmoid":
            slope, shift = curve["line"]
            return np.asarray(expit(slope * logit(np.clip(chances, _EDGE, 1 - _EDGE)) + shift))
        return np.clip(np.interp(chances, curve["x"], curve["y"]), _EDGE, 1 - _EDGE)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "curves": self.curves}


NONE = Calibration("None", [])


def calibrate(probabilities: Array, target: Array, folds: Sequence[Array]) -> tuple[Calibration, Array]:
    """The best calibration, and out-of-fold probabilities that are calibrated by it.

    Each kind is judged by the log loss of rows that its curves were not fitted to.

    Args:
        probabilities: out-of-fold predictions.
        target: codes of the classes.
        folds: positions of the rows of each fold.
    """
    kinds = ["None", "Sigmoid", "Isotonic"] if len(target) >= _MIN_ISOTONIC_ROWS else ["None", "Sigmoid"]
    unseen = {kind: _unseen(kind, probabilities, target, folds) for kind in kinds}
    best = min(kinds, key=lambda kind: log_loss(target, unseen[kind]))
    return _fit(best, probabilities, target), unseen[best]


def _unseen(kind: str, probabilities: Array, target: Array, folds: Sequence[Array]) -> Array:
    found = np.empty_like(probabilities)
    for fold in folds:
        others = np.ones(len(target), dtype=bool)
        others[fold] = False
        found[fold] = _fit(kind, probabilities[others], target[others])(probabilities[fold])
    return found


def _fit(kind: str, probabilities: Array, target: Array) -> Calibration:
    if kind == "None":
        return NONE
    codes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    fit = _sigmoid if kind == "Sigmoid" else _isotonic
    return Calibration(kind, [fit(probabilities[:, code], target == code) for code in codes])


def _sigmoid(chances: Array, hits: Array) -> dict[str, list[float]]:
    """Platt's scaling of the log odds."""
    if hits.all() or not hits.any():
        return {"line": [1.0, 0.0]}
    odds = logit(np.clip(chances, _EDGE, 1 - _EDGE)).reshape(-1, 1)
    model = LogisticRegression(C=_WEAK).fit(odds, hits)
    return {"line": [float(model.coef_[0, 0]), float(model.intercept_[0])]}


def _isotonic(chances: Array, hits: Array) -> dict[str, list[float]]:
    model = IsotonicRegression(y_min=_EDGE, y_max=1 - _EDGE, out_of_bounds="clip").fit(chances, hits)
    return {"x": model.X_thresholds_.astype(float).tolist(), "y": model.y_thresholds_.astype(float).tolist()}
