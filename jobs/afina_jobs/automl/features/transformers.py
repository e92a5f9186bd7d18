"""What is learned of one column."""

from collections import Counter

import numpy as np
from sklearn.model_selection import KFold

from afina_models.arrays import Array
from afina_models.transformers import DateParts, HashedText, Number, OneHot, TargetMean, Transformer

ONE_HOT_LEVELS = 10
"""Categories with more levels are encoded by the target's mean."""
MAX_LEVELS = 10_000
"""Levels that are kept of a category, the commonest."""
SMOOTHING = 10.0
"""A level's mean counts as much as the overall mean when it has so many rows."""
_ENCODING_FOLDS = 5


def fit_transformer(column: str, kind: str, values: Array, target: Array) -> Transformer | None:
    """Learn what becomes of a column; None where there is nothing to learn: all values are the same.

    Args:
        column: its name.
        kind: its type in the Dataset.
        values: of the training rows.
        target: of the same rows, as one column or several of one scale.
    """
    if kind == "Text":
        return HashedText(column) if any(values) else None
    if kind == "Categorical":
        levels = set(values)
        if len(levels) < 2:
            return None
        if len(levels) > ONE_HOT_LEVELS:
            return fit_target_mean(column, values, target)
        return OneHot(column, sorted(levels - {None}))
    known = values[np.isfinite(values)]
    if len(known) == 0 or (len(known) == len(values) and np.ptp(known) == 0):
        return None
    return DateParts(column, float(known.min())) if kind == "Datetime" else Number(column)


def fit_target_mean(column: str, values: Array, target: Array) -> TargetMean:
    """Learn the means of a target of several columns."""
    prior = target.mean(axis=0)
    kept = [level for level, _ in Counter(values[values != None]).most_common(MAX_LEVELS)]  # noqa: E711
    codes = {level: code for code, level in enumerate(kept)}
    numbers = np.array([codes.get(value, -1) for value in values])
    known = numbers >= 0
    counts = np.bincount(numbers[known], minlength=len(kept)).astype(float)
    sums = [np.bincount(numbers[known], part[known], minlength=len(kept)) for part in target.T]
    means = (np.array(sums).T + SMOOTHING * prior) / (counts + SMOOTHING)[:, None]
    rows = np.column_stack([means, counts / max(1, len(values))])
    return TargetMean(column, [*prior.tolist(), 0.0], dict(zip(kept, rows.tolist(), strict=True)))


def unseen_target_mean(column: str, values: Array, target: Array, seed: int) -> Array:
    """The features of the training rows: each from the rows of other folds, so that none sees itself."""
    found = np.empty((len(values), target.shape[1] + 1))
    for others, own in KFold(_ENCODING_FOLDS, shuffle=True, random_state=seed).split(values):
        found[own] = fit_target_mean(column, values[others], target[others]).transform(values[own])
    return found
