"""Which parameters decide about what the Gaussian process expects, over the whole space."""

import numpy as np
from optuna import Study

from afina_jobs.search.hybrid.conditions import Conditions
from afina_jobs.search.hybrid.gp import GaussianProcess, one_thread
from afina_jobs.search.hybrid.observations import observe
from afina_jobs.search.hybrid.space import Floats, UnitSpace
from afina_jobs.search.hybrid.surrogate import MOST_TRIALS, best_and_last, fit_surrogate, spearman

_DRAWS = 1024
"""Points at which the space is looked at: shares are exact to some hundredths."""


def expected_importances(study: Study) -> dict[str, float]:
    """The share of each parameter in how the expected values vary; nothing where the process only guesses.

    Of several objectives, the mean of the shares in those that the process does not only guess.
    """
    trials = study.get_trials(deepcopy=False)
    known = {name: trial.distributions[name] for trial in trials for name in sorted(trial.distributions)}
    space = UnitSpace({name: distribution for name, distribution in known.items() if not distribution.single()})
    if not space.names:
        return {}
    seen = observe(study, None, space)
    with one_thread():
        found = [_shares(space, seen.points, values, seen.conditions) for values in seen.values.T]
    told = [shares for shares in found if shares.any()]
    return dict(zip(space.names, np.mean(told, axis=0).tolist(), strict=True)) if told else {}


def _shares(space: UnitSpace, points: Floats, values: Floats, conditions: Conditions) -> Floats:
    """Of each column; shape (d,). All 0 where left-out values are ranked no better than by chance (at two sigma)."""
    chosen = best_and_last(values, MOST_TRIALS)
    points, values = points[chosen], values[chosen]
    process = fit_surrogate(points, values, space.categorical, np.zeros((len(points), 0)))
    if spearman(process.left_out(), values) * np.sqrt(len(points) - 1) < 2:
        return np.zeros(points.shape[1])
    effects = _total_effects(process, space, conditions)
    return effects / effects.sum() if effects.any() else effects


def _total_effects(process: GaussianProcess, space: UnitSpace, conditions: Conditions) -> Floats:
    """Total effect of each column on the mean, but for a factor; shape (d,).

    What remains of the variance when all other columns are known: Jansen's estimator, as in Saltelli et al., Computer
    Physics Communications 181 (2010), table 2 (f). SciPy's has all points of all columns in memory at once.
    """
    rng = np.random.default_rng(0)  # the same trials, the same shares
    points, others = space.random(rng, _DRAWS), space.random(rng, _DRAWS)
    before = process.predict(conditions.settle(points))[0]
    effects = np.zeros(points.shape[1])
    for column in range(len(effects)):
        moved = points.copy()
        moved[:, column] = others[:, column]
        effects[column] = np.mean((process.predict(conditions.settle(moved))[0] - before) ** 2)
    return effects
