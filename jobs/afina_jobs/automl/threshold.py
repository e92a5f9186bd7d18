"""From which probability on a row is of the second of two classes."""

import numpy as np

from afina_jobs.automl.metrics import score
from afina_models.arrays import Array

_CANDIDATES = 99


def choose(metric: str, target: Array, unseen: Array) -> float:
    """The best threshold for the metric by out-of-fold probabilities, and 0.5 where the metric knows none.

    Of thresholds that are as good the one nearest to 0.5.
    """
    if metric not in ("F1", "Accuracy") or unseen.shape[1] != 2:
        return 0.5
    candidates = np.linspace(0, 1, _CANDIDATES + 2)[1:-1]
    reached = [(round(score(metric, target, unseen, threshold=t), 12), -abs(t - 0.5), t) for t in candidates]
    return float(max(reached)[2])
