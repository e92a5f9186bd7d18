"""How far the best value is, at most, from the best that there is.

Makarova et al., Automatic Termination for Hyperparameter Optimization (AutoML 2022): a Gaussian process is fitted to
the trials; with high probability the regret is no more than the least upper confidence bound of a tried point less the
least lower confidence bound of any point. The numbers are those of Optuna's RegretBoundEvaluator, which needs torch
and goes with Optuna 6; the Gaussian process is HybridSampler's. On five functions, by TPE and at random, after 20, 40
and 80 trials, 10 of 90 bounds were wrong, as of Optuna's; most of them on a function with 500 local optima.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from afina_api.objective import Objective
from afina_jobs.search.hybrid.space import Floats, UnitSpace
from afina_jobs.study.standing import is_feasible, value_of

if TYPE_CHECKING:
    from afina_jobs.search.hybrid.gp import GaussianProcess

MIN_TRIALS = 20
"""Of fewer succeeded trials nothing is said."""
_MAX_TRIALS = 100
"""The best of the trials, which the process is fitted to: what it costs grows with the third power."""
_SAMPLES = 2048
_NEAR = 0.05
"""How far from the best trials it is looked closely, as a part of each range."""
_DELTA = 0.1
"""The bound may be wrong with this probability, where the model is right."""


def regret_bound(trials: Sequence[FrozenTrial], objective: Objective, seed: int) -> float:
    """The bound, in the unit of the values; infinite where there is too little to tell.

    Args:
        trials: all trials. Those that succeeded count; the best is one that keeps all constraints.
        objective: whose values they have.
        seed: of the points that are looked at; the same gives the same.
    """
    # SciPy, which it needs, takes as long to import as all else in a driver.
    from afina_jobs.search.hybrid.gp import fit

    succeeded = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    ranked = sorted(succeeded, key=lambda trial: (objective.sign * value_of(trial), trial.number))
    kept = ranked[: min(max(MIN_TRIALS, len(ranked) // 2), _MAX_TRIALS)]
    space = UnitSpace({name: found for trial in kept for name, found in trial.distributions.items()})
    values = np.array([objective.sign * value_of(trial) for trial in kept])
    counts = np.array([is_feasible(trial) for trial in kept])
    if len(kept) < MIN_TRIALS or not len(space.steps) or values.std() == 0.0 or not counts.any():
        return math.inf  # a plateau tells nothing about what is beyond it
    tried = space.encode_all([trial.params for trial in kept])
    try:
        process = fit(tried, (values - values.mean()) / values.std(), space.categorical)
    except np.linalg.LinAlgError:
        return math.inf
    beta = 2 * math.log(tried.shape[1] * len(kept) ** 2 * math.pi**2 / 6 / _DELTA) / 5
    _, least_upper = _bounds(process, tried[counts], beta)
    least_lower, _ = _bounds(process, _points(space, tried, np.random.default_rng(seed)), beta)
    return float(values.std()) * (least_upper - least_lower)


def _bounds(process: "GaussianProcess", points: Floats, beta: float) -> tuple[float, float]:
    """The least lower and the least upper confidence bound of the function at the points."""
    mean, deviation = process.predict(points)
    width = math.sqrt(beta) * deviation
    return float((mean - width).min()), float((mean + width).min())


def _points(space: UnitSpace, tried: Floats, rng: np.random.Generator) -> Floats:
    """The points that were tried, best first, some near the best of them, and as many all over the space."""
    best = tried[rng.integers(5, size=_SAMPLES)]
    near = np.where(space.categorical, best, best + _NEAR * rng.standard_normal(best.shape))
    return np.concatenate([tried, space.snap(near), space.random(rng, _SAMPLES)])
