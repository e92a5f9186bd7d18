"""What follows from the probabilities of classes."""

import numpy as np

from afina_models.arrays import Array


def labels(probabilities: Array, threshold: float = 0.5) -> Array:
    """The class of each row: the likeliest, or with two classes the second from the threshold on."""
    if probabilities.shape[1] == 2:
        return np.asarray(probabilities[:, 1] >= threshold).astype(np.int64)
    return np.asarray(np.argmax(probabilities, axis=1))


def sets(probabilities: Array, greatest_doubt: float) -> Array:
    """Which classes are in the conformal set of each row: all that are probable enough, and always the likeliest."""
    found = np.asarray(1 - probabilities <= greatest_doubt)
    found[np.arange(len(probabilities)), np.argmax(probabilities, axis=1)] = True
    return found
