"""What the chosen model is worth on the holdout, in the terms of the metric and in those of the field."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from afina_api.automljob import Limits
from afina_jobs.automl import conformal
from afina_jobs.automl.data import Data
from afina_jobs.automl.metrics import scores
from afina_models.arrays import Array
from afina_models.predictor import Predictions

_OUTLIER_DEVIATIONS = 2.0


def holdout_scores(data: Data, found: Predictions, threshold: float) -> dict[str, float]:
    """All metrics of the task, and the coverage of the intervals or sets."""
    rows = data.splits.holdout
    target = data.target[rows]
    groups = None if data.groups is None else data.groups[rows]
    measured = scores(data.settled.problem, target, found.values, groups, threshold)
    if found.sets is not None:
        measured["Coverage"] = conformal.set_coverage(target, found.sets)
        measured["MeanSetSize"] = float(found.sets.sum(axis=1).mean())
    if found.half_width is not None:
        measured["Coverage"] = conformal.interval_coverage(target, found.values, found.half_width)
        measured["IntervalWidth"] = 2 * found.half_width
    return measured


def scientific(target: Array, predicted: Array, limits: Limits | None) -> dict[str, float]:
    """The errors of a regression, beyond the metrics: bias, spread, outliers, and what is physically impossible."""
    errors = predicted - target
    spread = float(np.std(errors))
    found = {
        "Bias": float(np.mean(errors)),
        "ErrorStd": spread,
        "OutlierRate": float(np.mean(np.abs(errors) > _OUTLIER_DEVIATIONS * spread)) if spread else 0.0,
    }
    if limits and limits.min is not None:
        found["BelowMinRate"] = float(np.mean(predicted < limits.min))
    if limits and limits.max is not None:
        found["AboveMaxRate"] = float(np.mean(predicted > limits.max))
    return found


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Those that JSON and Kubernetes can carry."""
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}
