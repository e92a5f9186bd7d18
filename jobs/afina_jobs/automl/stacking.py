"""Fits the linear model upon the predictions of several models."""

from collections.abc import Sequence

import numpy as np

from afina_jobs.automl.folds import Fold
from afina_jobs.automl.models import linear
from afina_jobs.automl.models.base import Order, Rows
from afina_jobs.contract import Value
from afina_models.arrays import Array
from afina_models.combination import Stacked, stack_features

_STRENGTH = 1.0


def fit_stack(members: Sequence[Array], target: Array, classes: int, metric: str, seed: int) -> Stacked:
    """Fit to predictions of rows that the members had not seen."""
    middle = 0.0 if classes else float(target.mean())
    spread = 1.0 if classes else float(target.std()) or 1.0
    params: dict[str, Value] = {"penalty": "ridge", "strength": _STRENGTH}
    rows = Rows(stack_features(members, middle, spread), target)
    return Stacked(linear.fit(Order(rows, classes, metric, params, seed, threads=1)), middle, spread)


def stacked_unseen(
    members: Sequence[Array], target: Array, classes: int, metric: str, seed: int, folds: Sequence[Fold]
) -> Array:
    """What a stack predicts of each fold when it is fitted to the others: its own out-of-fold predictions."""
    found = np.full_like(members[0], np.nan)
    tested = np.concatenate([test for _, test in folds])
    for _, test in folds:
        others = np.setdiff1d(tested, test)
        stack = fit_stack([part[others] for part in members], target[others], classes, metric, seed)
        found[test] = stack([part[test] for part in members])
    return found
