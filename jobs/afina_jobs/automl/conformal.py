"""How far a prediction may be off, with a promise: so many of the truths are within.

Numbers: the interval of the cross-validation's residuals (Barber, Candes, Ramdas and Tibshirani, Predictive inference
with the jackknife+, 2021, section 1: the jackknife over K folds, around the model fitted to all rows). Classes:
the sets of all classes that are probable enough (Sadinle, Lei and Wasserman, Least ambiguous set-valued classifiers,
2019). Both take the finite-sample quantile of split conformal prediction; what they really cover is measured on the
holdout, and told.
"""

import math

import numpy as np

from afina_models.arrays import Array

LEVEL = 0.95


def quantile(scores: Array, level: float = LEVEL) -> float:
    """The ceil((n + 1) level)-th smallest of n scores; the greatest where there are too few for it."""
    rank = math.ceil((len(scores) + 1) * level)
    return float(np.sort(scores)[min(rank, len(scores)) - 1])


def half_width(target: Array, unseen: Array) -> float:
    """Half the width of the interval, from out-of-fold predictions."""
    return quantile(np.abs(target - unseen))


def doubt(target: Array, unseen: Array) -> float:
    """The improbability up to which a class is in the set, from out-of-fold probabilities."""
    return quantile(1 - unseen[np.arange(len(target)), target])


def interval_coverage(target: Array, predicted: Array, width: float) -> float:
    """Share of the truths within the interval."""
    return float(np.mean(np.abs(target - predicted) <= width))


def set_coverage(target: Array, members: Array) -> float:
    """Share of the truths in the set."""
    return float(np.mean(members[np.arange(len(target)), target]))
