"""Fits the curves that make probabilities mean what they say."""

from collections.abc import Sequence

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from afina_jobs.automl.metrics import log_loss
from afina_models.arrays import Array, logit
from afina_models.calibration import EDGE, NONE, Calibration

_MIN_ISOTONIC_ROWS = 1000
"""With fewer rows isotonic regression overfits (Niculescu-Mizil and Caruana, 2005)."""
_WEAK = 1e4


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
    odds = logit(np.clip(chances, EDGE, 1 - EDGE)).reshape(-1, 1)
    model = LogisticRegression(C=_WEAK).fit(odds, hits)
    return {"line": [float(model.coef_[0, 0]), float(model.intercept_[0])]}


def _isotonic(chances: Array, hits: Array) -> dict[str, list[float]]:
    model = IsotonicRegression(y_min=EDGE, y_max=1 - EDGE, out_of_bounds="clip").fit(chances, hits)
    return {"x": model.X_thresholds_.astype(float).tolist(), "y": model.y_thresholds_.astype(float).tolist()}
