"""What the results so far say of points that were not tried: a Gaussian process over transformed values.

Values of an objective may spread over orders of magnitude, have a long tail of failures, or be nothing but ranks.
Which transform suits, and whether earlier searches help, is decided by how well each left-out result is ranked by the
others.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from afina_jobs.search.hybrid.gp import GaussianProcess, fit
from afina_jobs.search.hybrid.space import Floats, Indices

MOST_TRIALS = 150
"""So many trials of a long search are modelled: the best half, and the last of the others."""
_BETTER_BY = 1e-3
"""So much better an alternative must rank than those before it, which are plainer."""
_MORE_ITERATIONS = 20
"""The second and third fit begin where the first ended, so they need fewer."""
_AUGMENTATION = 0.05
_LOG_FLOOR = 0.05
"""Share of the median's distance to the best below which the logarithm tells results no more apart."""


def fit_surrogate(points: Floats, values: Floats, categorical: NDArray[np.bool_], trends: Floats) -> GaussianProcess:
    """The process that ranks left-out results best.

    Arguments:
        points: (n, d), of the unit cube.
        values: (n,), smaller is better.
        categorical: (d,), which columns are categories.
        trends: (n, h), what each earlier search expects at the points.
    """
    best = fit(points, standardised(values), categorical, trends)
    best_rank = spearman(best.left_out(), values)
    for transform in (half_ranked, log_distance):
        process = fit(points, transform(values), categorical, trends, best.hyperparameters, _MORE_ITERATIONS)
        rank = spearman(process.left_out(), values)
        if rank > best_rank + _BETTER_BY:
            best, best_rank = process, rank
    return best


class Limit:
    """What the results so far say of a constraint elsewhere."""

    def __init__(self, violations: Floats, points: Floats, categorical: NDArray[np.bool_]) -> None:
        """Learn from violations (n,), above 0 where the constraint is violated, at points (n, d)."""
        self._threshold = -violations.mean() / (violations.std() or 1.0)
        self._process = fit(points, standardised(violations), categorical)

    def log_feasibility(self, points: Floats) -> Floats:
        """Logarithm of the probability that points (m, d) keep it; shape (m,).

        Gardner et al., Bayesian Optimization with Inequality Constraints (ICML 2014), section 3.
        """
        mean, deviation = self._process.predict(points)
        found: Floats = log_ndtr((self._threshold - mean) / deviation)
        return found


def scalarised(values: Floats, rng: np.random.Generator) -> Floats:
    """Objectives (n, k) as one value each, by weights drawn at random; shape (n,).

    The augmented Chebyshev function of Knowles, ParEGO (2006), section 3.1.
    """
    if values.shape[1] == 1:
        return values[:, 0]
    low, spread = values.min(axis=0), np.ptp(values, axis=0)
    weighted = rng.dirichlet(np.ones(values.shape[1])) * (values - low) / np.where(spread > 0, spread, 1.0)
    found: Floats = weighted.max(axis=1) + _AUGMENTATION * weighted.sum(axis=1)
    return found


def best_and_last(values: Floats, limit: int) -> Indices:
    """Indices of the best half and of the last of the others, `limit` in all, in their order."""
    best = np.argsort(values, kind="stable")[: limit // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    return np.sort(np.concatenate([best, others[len(best) - limit :]]))


def standardised(values: Floats) -> Floats:
    """Values of mean 0 and deviation 1."""
    found: Floats = (values - values.mean()) / (values.std() or 1.0)
    return found


def half_ranked(values: Floats) -> Floats:
    """Halfway between ranks and values, of which those beyond the median's other side are cut off."""
    median = np.median(values)
    cut = np.minimum(values, 2 * median - values.min())
    return standardised((standardised(cut) + ndtri((ranks(values) - 0.375) / (len(values) + 0.25))) / 2)


def log_distance(values: Floats) -> Floats:
    """Orders of magnitude to the best."""
    distance = values - values.min()
    return standardised(np.log(distance / (np.median(distance) or 1.0) + _LOG_FLOOR))


def ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return found


def spearman(left: Floats, right: Floats) -> float:
    """Spearman's rank correlation; -1 where one side is all equal."""
    a, b = ranks(left), ranks(right)
    if a.std() == 0 or b.std() == 0:
        return -1.0
    return float(np.corrcoef(a, b)[0, 1])
