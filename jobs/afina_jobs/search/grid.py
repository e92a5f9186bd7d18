"""The grid: every combination once, in an order that the seed decides."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from afina_jobs.contract import Value


class GridSampler(BaseSampler):
    """Gives trial N the N-th combination of a shuffled grid.

    Optuna's own keeps the whole space in each trial and looks through all trials for a free combination. Here the
    trial's number says it all, so a trial that is run again after a crash gets the same parameters.
    """

    def __init__(self, axes: Mapping[str, Sequence[Value]], seed: int) -> None:
        self._axes = axes
        self._order = np.random.RandomState(seed).permutation(size(axes))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: each parameter is looked up on its own."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing: each parameter is looked up on its own."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Value:
        """The parameter's value in the trial's combination."""
        rest = int(self._order[trial.number])
        for name, values in self._axes.items():
            rest, index = divmod(rest, len(values))
            if name == param_name:
                return values[index]
        raise KeyError(param_name)


def size(axes: Mapping[str, Sequence[Value]]) -> int:
    """How many combinations there are."""
    return math.prod(len(values) for values in axes.values())
