"""The arrays of everything, and what of scipy is needed: importing it would take more time than all the rest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softmax(odds: Array) -> Array:
    """Probabilities, rows x classes, from log odds."""
    found = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def expit(odds: Array) -> Array:
    """The logistic function; no odds are too great for it."""
    return np.asarray(np.exp(-np.logaddexp(0, -odds)))


def logit(chances: Array) -> Array:
    """Its inverse, for chances above 0 and below 1."""
    return np.asarray(np.log(chances) - np.log1p(-chances))


def both(second: Array) -> Array:
    """Probabilities of two classes, from that of the second."""
    return np.column_stack([1 - second, second])
