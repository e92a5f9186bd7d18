"""Population based training as a sampler: what a member's next trial tries."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from afina_api.algorithm import PBTSettings
from afina_jobs.contract import Value
from afina_jobs.search.population import ORIGIN, goes_on, next_origin, origin_of
from afina_jobs.search.seeds import derived_seed
from afina_jobs.search.space import Distribution, SearchSpace

FACTORS = (0.8, 1.2)
"""What a number is multiplied by, as in the paper."""
ATTEMPTS = 20
"""So often other parameters are tried where the constraints forbid some; then the parent's stay."""


class PopulationSampler(BaseSampler):
    """Gives a trial its parent's parameters: as they are where it goes on, else explored from.

    Trials without a parent are another sampler's. The origin is stored before any parameter, and these follow from it,
    the parent's, the seed and the trial's number: whatever is killed, it is the same again.
    """

    def __init__(self, first: BaseSampler, settings: PBTSettings, space: SearchSpace, seed: int) -> None:
        """With the sampler of the members' first trials."""
        self._first = first
        self._settings = settings
        self._space = space
        self._seed = seed

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decide what the trial goes on from, unless that is stored."""
        if origin_of(trial) is None:
            trials = study.get_trials(deepcopy=False)
            random = np.random.RandomState(derived_seed(self._seed, trial.number))
            found = next_origin(trials, self._settings, study.direction, random).as_attribute()
            study._storage.set_trial_user_attr(trial._trial_id, ORIGIN, found)
            trial.user_attrs[ORIGIN] = found
        self._first.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters, of a trial that has a parent."""
        if self._parent(study, trial) is None:
            return self._first.infer_relative_search_space(study, trial)
        return dict(self._space.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parent's parameters, or what is tried instead."""
        parent = self._parent(study, trial)
        if parent is None:
            return self._first.sample_relative(study, trial, search_space)
        if goes_on(trial, study.get_trials(deepcopy=False)):
            return dict(parent.params)
        for attempt in range(ATTEMPTS):
            explored = self._explored(parent.params, study, trial, derived_seed(self._seed, trial.number, attempt))
            if self._space.allows(explored):
                return explored
        return dict(parent.params)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter of a trial without a parent."""
        return self._first.sample_independent(study, trial, param_name, param_distribution)

    def _parent(self, study: Study, trial: FrozenTrial) -> FrozenTrial | None:
        origin = origin_of(trial)
        if origin is None or origin.parent is None:
            return None
        return study.get_trials(deepcopy=False)[origin.parent]

    def _explored(self, params: Mapping[str, Value], study: Study, trial: FrozenTrial, seed: int) -> dict[str, Value]:
        """Each parameter moved, or drawn anew. One that the parent lacks is drawn, too."""
        random, anew = np.random.RandomState(seed), RandomSampler(seed=derived_seed(seed, 1))

        def value(name: str) -> Value:
            distribution = self._space.distributions[name]
            if name not in params or random.random_sample() < self._settings.resample_probability:
                return cast(Value, anew.sample_independent(study, trial, name, distribution))
            return moved(distribution, params[name], FACTORS[random.randint(2)])

        return self._space.choose(value)


def moved(distribution: Distribution, value: Any, factor: float) -> Value:
    """The value times a factor; at least one step from where it was, and never out of its range.

    Of choices, the next one for a factor above 1, else the one before.
    """
    onward = 1 if factor > 1 else -1
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        return cast(Value, choices[min(max(choices.index(value) + onward, 0), len(choices) - 1)])
    low, high, step = distribution.low, distribution.high, distribution.step
    aimed: float = value * factor
    if step is not None:
        before, after = round((value - low) / step), round((aimed - low) / step)
        aimed = low + step * (before + onward if after == before else after)
    return min(max(aimed, low), high)
