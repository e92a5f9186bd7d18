"""The grid: every combination once, in an order that the seed decides."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from afina_api.parameters import Parameter
from afina_jobs.contract import Value
from afina_jobs.search.constraints import ConstraintError
from afina_jobs.search.space import SearchSpace, axis


class GridSampler(BaseSampler):
    """Gives trial N the N-th combination of a shuffled grid.

    Optuna's own keeps the whole space in each trial and looks through all trials for a free combination. Here the
    trial's number says it all, so a trial that is run again after a crash gets the same parameters.
    """

    def __init__(self, axes: Mapping[str, Sequence[Value]], space: SearchSpace, seed: int) -> None:
        self._axes = axes
        kept = _kept(axes, space)
        self.size = len(kept)
        """How many combinations there are."""
        self._order = np.random.RandomState(seed).permutation(kept)

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
        return _combination(self._axes, int(self._order[trial.number]))[param_name]


def grid_of(parameters: Sequence[Parameter], space: SearchSpace, seed: int) -> GridSampler:
    """The sampler of a spec's grid.

    Raises:
        ConstraintError: a constraint cannot be evaluated, or no combination keeps them all.
    """
    return GridSampler({parameter.name: axis(parameter) for parameter in parameters}, space, seed)


def _kept(axes: Mapping[str, Sequence[Value]], space: SearchSpace) -> Sequence[int]:
    """The combinations that are allowed, each once: where a parameter is not there, those with its first value."""
    total = math.prod(len(values) for values in axes.values())
    if not space.constraints and not space.conditional:
        return range(total)
    found = [index for index in range(total) if _is_kept(_combination(axes, index), axes, space)]
    if not found:
        raise ConstraintError(f"spec.constraints: {space.constraints}: no combination of the grid keeps them all")
    return found


def _is_kept(combination: Mapping[str, Value], axes: Mapping[str, Sequence[Value]], space: SearchSpace) -> bool:
    there = space.choose(lambda name: combination[name])
    absent = combination.keys() - there.keys()
    return all(combination[name] == axes[name][0] for name in absent) and space.allows(there)


def _combination(axes: Mapping[str, Sequence[Value]], index: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, values in axes.items():
        index, place = divmod(index, len(values))
        found[name] = values[place]
    return found
