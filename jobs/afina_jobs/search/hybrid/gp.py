"""A Gaussian process over the unit cube, in numpy: for some hundred points, a fit takes milliseconds.

The kernel is Matern 5/2 with a weight for each parameter (automatic relevance determination), as in Rasmussen and
Williams, Gaussian Processes for Machine Learning (2006), sections 4.2 and 5.1; two categories differ by 1 or not at
all. To it a linear kernel can be added over trends: columns that say what an earlier search makes us expect. The
hyperparameters are the most probable ones under the priors of Optuna's GPSampler (optuna/_gp/prior.py).
"""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

from afina_jobs.search.hybrid.space import Floats

_SQRT5 = math.sqrt(5.0)
_JITTER = 1e-6
_BOUND_WEIGHT, _BOUND_SCALE, _BOUND_NOISE = (-9.0, 6.0), (-4.0, 4.0), (math.log(1e-5), math.log(2.0))
_BOUND_TREND = (-9.0, 4.0)
_START_NOISE = math.log(1e-2)
MAX_ITERATIONS = 40
_LEARNED_FROM = 64
"""Hyperparameters are learned from so many of the points: what that costs grows with the third power."""


@dataclass(frozen=True)
class Hyperparameters:
    """What a kernel is made of, as logarithms: weights (d,), then scale, noise, and a weight for each trend (h,)."""

    logs: Floats
    dimensions: int

    @property
    def weights(self) -> Floats:
        """How much each parameter counts; shape (d,)."""
        return np.exp(self.logs[: self.dimensions])

    @property
    def scale(self) -> float:
        """Variance of the values."""
        return math.exp(self.logs[self.dimensions])

    @property
    def noise(self) -> float:
        """Variance of the noise."""
        return math.exp(self.logs[self.dimensions + 1]) + _JITTER

    @property
    def trends(self) -> Floats:
        """Variance of each trend's share; shape (h,)."""
        return np.exp(self.logs[self.dimensions + 2 :])


class GaussianProcess:
    """A posterior over functions, given values at points."""

    def __init__(
        self,
        points: Floats,
        values: Floats,
        categorical: NDArray[np.bool_],
        hyperparameters: Hyperparameters,
        trends: Floats | None = None,
    ) -> None:
        """Condition on values (n,) at points (n, d), with the trends' values there (n, h)."""
        self.hyperparameters = hyperparameters
        self._points, self._values, self._categorical = points, values, categorical
        self._trends = _no_trends(points) if trends is None else trends
        covariance = self._covariance(points, self._trends)
        covariance[np.diag_indices_from(covariance)] += hyperparameters.noise
        self._inverse, _ = _inverted(covariance)
        self._alpha = self._inverse @ values

    def predict(self, points: Floats, trends: Floats | None = None) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the function, without noise, at points (m, d); shapes (m,)."""
        trends = _no_trends(points) if trends is None else trends
        across = self._covariance(points, trends)
        own = self.hyperparameters.scale + (trends**2) @ self.hyperparameters.trends
        variance = own - np.einsum("ij,ij->i", across @ self._inverse, across)
        return across @ self._alpha, np.sqrt(np.maximum(variance, 1e-10))

    def left_out(self) -> Floats:
        """What each value would have been expected to be without it; shape (n,).

        Rasmussen and Williams, equation 5.12.
        """
        found: Floats = self._values - self._alpha / np.diag(self._inverse)
        return found

    def believing(self, points: Floats, trends: Floats) -> "GaussianProcess":
        """The process as if the values at some more points (m, d) were what it expects there.

        Ginsbourger, Le Riche and Carraro, Kriging is well-suited to parallelize optimization (2010), section 4.
        """
        if not len(points):
            return self
        return GaussianProcess(
            np.concatenate([self._points, points]),
            np.concatenate([self._values, self.predict(points, trends)[0]]),
            self._categorical,
            self.hyperparameters,
            np.concatenate([self._trends, trends]),
        )

    def _covariance(self, points: Floats, trends: Floats) -> Floats:
        squared = weighted_squares(points, self._points, self._categorical, self.hyperparameters.weights)
        kernel = self.hyperparameters.scale * _matern(squared)[0]
        found: Floats = kernel + (trends * self.hyperparameters.trends) @ self._trends.T
        return found


def fit(
    points: Floats,
    values: Floats,
    categorical: NDArray[np.bool_],
    trends: Floats | None = None,
    start: Hyperparameters | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> GaussianProcess:
    """The process with the most probable hyperparameters, by L-BFGS-B with the gradient written out.

    Arguments:
        points: (n, d), of the unit cube.
        values: (n,), standardised.
        categorical: (d,), which columns are categories.
        trends: (n, h), what each of h earlier searches makes us expect, standardised.
        start: where the search for the hyperparameters begins.
        max_iterations: of the search for the hyperparameters.
    """
    trends = _no_trends(points) if trends is None else trends
    found = start or Hyperparameters(_start(points.shape[1], trends.shape[1]), points.shape[1])
    some = np.linspace(0, len(points) - 1, min(len(points), _LEARNED_FROM)).round().astype(int)
    found = _most_probable(points[some], values[some], categorical, trends[some], found, max_iterations)
    return GaussianProcess(points, values, categorical, found, trends)


def _most_probable(
    points: Floats,
    values: Floats,
    categorical: NDArray[np.bool_],
    trends: Floats,
    start: Hyperparameters,
    max_iterations: int,
) -> Hyperparameters:
    number, dimensions = points.shape
    squares = differences(points, points, categorical).reshape(dimensions, number * number)
    diagonal = np.diag_indices(number)

    def negative_log_posterior(logs: Floats) -> tuple[float, Floats]:
        found = Hyperparameters(logs, dimensions)
        weights, scale, noise, shares = found.weights, found.scale, found.noise, found.trends
        kernel, slope = _matern(weights @ squares)
        covariance = scale * kernel.reshape(number, number) + (trends * shares) @ trends.T
        covariance[diagonal] += noise
        try:
            inverse, log_determinant = _inverted(covariance)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(logs)
        alpha = inverse @ values
        # Half of this, times the derivative of the covariance, is the gradient: equation 5.9.
        outer = inverse - np.outer(alpha, alpha)
        flat = outer.ravel()
        energy = 0.5 * values @ alpha + 0.5 * log_determinant
        energy += (0.1 / weights + 0.1 * weights).sum() + scale - math.log(scale) + 30 * noise - 0.1 * math.log(noise)
        energy += shares.sum() - 0.5 * np.log(shares).sum()
        gradient = np.concatenate(
            [
                0.5 * scale * weights * (squares @ (flat * slope)) - 0.1 / weights + 0.1 * weights,
                [0.5 * scale * (flat @ kernel) - 1 + scale, 0.5 * noise * np.trace(outer) - 0.1 + 30 * noise],
                0.5 * shares * (trends * (outer @ trends)).sum(axis=0) + shares - 0.5,
            ]
        )
        return float(energy), gradient

    bounds = [_BOUND_WEIGHT] * dimensions + [_BOUND_SCALE, _BOUND_NOISE] + [_BOUND_TREND] * trends.shape[1]
    result = minimize(
        negative_log_posterior,
        start.logs,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": max_iterations},
    )
    return Hyperparameters(result.x, dimensions)


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS to one thread: with matrices of some hundred rows and all processors busy, others would only wait."""
    found: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return found


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _start(dimensions: int, trends: int) -> Floats:
    logs = np.zeros(dimensions + 2 + trends)
    logs[dimensions + 1] = _START_NOISE
    return logs


def differences(left: Floats, right: Floats, categorical: NDArray[np.bool_]) -> Floats:
    """Squared differences in each column, 0 or 1 for categories; shape (d, n, m)."""
    found: Floats = (left.T[:, :, None] - right.T[:, None, :]) ** 2
    found[categorical] = found[categorical] > 0
    return found


def weighted_squares(left: Floats, right: Floats, categorical: NDArray[np.bool_], weights: Floats) -> Floats:
    """The same, each column times its weight, as one sum; shape (n, m). Without a cube of numbers in between."""
    scales = np.sqrt(weights[~categorical])
    a, b = left[:, ~categorical] * scales, right[:, ~categorical] * scales
    squared: Floats = np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T, 0.0)
    for column in np.flatnonzero(categorical):
        squared += weights[column] * (left[:, column, None] != right[:, column])
    return squared


def _matern(squared: Floats) -> tuple[Floats, Floats]:
    """Matern 5/2 of squared distances, and its derivative by them."""
    distance = np.sqrt(squared)
    decay = np.exp(-_SQRT5 * distance)
    return (1 + _SQRT5 * distance + 5 / 3 * squared) * decay, -5 / 6 * (1 + _SQRT5 * distance) * decay


def _inverted(covariance: Floats) -> tuple[Floats, float]:
    """The inverse and the logarithm of the determinant.

    LAPACK is called as it is: SciPy's checks would take as long as the sums.

    Raises:
        LinAlgError: it is not positive definite.
    """
    factor, info = lapack.dpotrf(covariance, lower=True, clean=True)
    if info == 0:
        half, info = lapack.dpotri(factor, lower=True)
    if info != 0:
        raise np.linalg.LinAlgError("the covariance is not positive definite")
    inverse: Floats = half + half.T  # of which LAPACK fills one triangle
    inverse[np.diag_indices_from(inverse)] *= 0.5
    return inverse, 2.0 * float(np.log(np.diag(factor)).sum())


def _no_trends(points: Floats) -> Floats:
    return np.zeros((len(points), 0))
