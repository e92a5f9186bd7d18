"""What more trials would bring. Pure."""

import math
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_api.tuningstatus import Forecast
from afina_jobs.study.standing import count, ended, feasible, value_of

MIN_TRIALS = 10
"""Of fewer trials that succeeded and keep the constraints nothing is said."""
_SAMPLES = 4000


def forecast(
    trials: Sequence[FrozenTrial], objective: Objective, budget: Budget, combinations: float = math.inf
) -> Forecast | None:
    """The best value after the trials that the budget has left, or after as many again as there were.

    None where there are too few to tell, or none is left of a grid, which has so many combinations.

    Peaks over threshold (Pickands, Annals of Statistics 1975) with an exponential tail: further trials are taken to be
    drawn as the trials so far were, whose best fifth says how fast better values get rarer, and how sure that is. Where
    that holds, one search in ten finds better values than the interval's, and one worse. Values that end at a bound end
    sooner, and most samplers get better: on nine functions, by TPE, CMA-ES and at random, from 15, 30 and 60 trials to
    half as many more or as many again, 94 % of the intervals held what came (4 % of the searches found better, 1 %
    worse). A number in between was no better than the best value so far.
    """
    succeeded = feasible(trials)
    done = ended(count(trials))
    if len(succeeded) < MIN_TRIALS or done >= combinations:
        return None
    further = int(min(budget.max_trials - done if budget.max_trials > done else done, combinations - done))
    values = np.sort([objective.sign * value_of(trial) for trial in succeeded])
    low, high = _interval(values, max(1.0, further * len(succeeded) / done))
    return Forecast(trials=further, optimistic=objective.sign * low, pessimistic=objective.sign * high)


def _interval(values: np.ndarray, draws: float) -> tuple[float, float]:
    """Where the least of the values and of so many further draws is, but for a tenth of the cases on either side.

    A draw is less than `threshold - z` with the probability `tail / n * exp(-z / scale)`; the mean of `tail` such z
    tells the scale, which by Bayes' rule (with the prior 1 / scale) is distributed as that of an inverse gamma.
    """
    tail = max(4, len(values) // 5)
    threshold = values[tail]
    rng = np.random.RandomState(0)  # the same trials, the same forecast
    scale = (threshold - values[:tail]).sum() / rng.gamma(tail, size=_SAMPLES)
    # The least of the draws is less than that with the probability 1 - (1 - p)^draws.
    p = -np.expm1(np.log1p(-rng.uniform(size=_SAMPLES)) / draws)
    least = threshold + np.minimum(0.0, scale * np.log(p * len(values) / tail))
    low, high = np.quantile(np.minimum(least, values[0]), (0.1, 0.9))
    return float(low), float(high)
