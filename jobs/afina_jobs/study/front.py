"""The points that none is better than in every respect, and which of them to take. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pareto_front(losses: Floats) -> list[int]:
    """Indices, ascending, of the points that none dominates; of equal points the first.

    Args:
        losses: (n, k), less is better.
    """
    left = np.lexsort(losses.T[::-1])
    if len(left) and losses.shape[1] == 2:
        # In the order of the first column: what is better than all before it in the second.
        second = losses[left, 1]
        better = np.append(True, second[1:] < np.minimum.accumulate(second)[:-1])
        return sorted(left[better].tolist())
    found = []
    while len(left):
        # The first in the order of the columns is dominated by none. What is nowhere better is dominated, or equal.
        first, rest = left[0], left[1:]
        found.append(int(first))
        left = rest[(losses[rest] < losses[first]).any(axis=1)]
    return sorted(found)


def normalised(losses: Floats) -> Floats:
    """Each column from 0, its best, to 1, its worst."""
    low, spread = losses.min(axis=0), np.ptp(losses, axis=0)
    found: Floats = (losses - low) / np.where(spread > 0, spread, 1.0)
    return found


def knee_first(front: Floats, weights: Sequence[float], limit: int) -> list[int]:
    """Indices of so many points of a front: its knee, then again and again the point farthest from those chosen.

    The knee is the point nearest to the ideal one, which has the best value of each objective: the least
    sqrt(sum_i (w_i z_i)^2), with z_i from 0 (the best on the front) to 1 (the worst). That is compromise programming
    (Zeleny, 1973), the weighted global criterion with p = 2 of Marler and Arora, Survey of multi-objective optimization
    methods for engineering (Structural and Multidisciplinary Optimization 26, 2004), section 3.1. Of equals the first.

    Args:
        front: (n, k), less is better; none dominates another.
        weights: k of them, the larger the more the objective counts.
        limit: how many to choose.
    """
    if not len(front):
        return []
    points = normalised(front)
    chosen = [int(np.argmin(np.linalg.norm(points * weights, axis=1)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < min(limit, len(points)):
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
        nearest[chosen] = -1.0
        chosen.append(int(np.argmax(nearest)))
    return chosen
