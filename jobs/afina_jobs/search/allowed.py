"""Keeps to the constraints among parameters, whatever a sampler proposes."""

import copy
from collections.abc import Callable, Container
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from afina_jobs.contract import Value
from afina_jobs.search.constraints import ConstraintError
from afina_jobs.search.seeds import derived_seed
from afina_jobs.search.space import SearchSpace

ATTEMPTS = 20
"""So often the sampler is asked for a trial, each time with another seed."""
RANDOM_ATTEMPTS = 10_000
"""So many sets of parameters are then drawn at random."""


class AllowedSampler(BaseSampler):
    """Asks another sampler until it proposes what the constraints allow; nothing of the others is stored.

    All parameters of a trial are sampled together: whether they are allowed is known of all of them only.
    """

    def __init__(self, make: Callable[[int], BaseSampler], space: SearchSpace, seed: int) -> None:
        """Make it from what makes the other sampler of a seed."""
        self._make = make
        self._space = space
        self._seed = seed
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Nothing: each attempt begins a trial of its own."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters."""
        return dict(self._space.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters that are allowed.

        Raises:
            ConstraintError: none were found, or a constraint cannot be evaluated.
        """
        study = _still(study)
        for attempt in range(ATTEMPTS):
            seed = derived_seed(self._seed, attempt) if attempt else self._seed
            found = self._ask(self._make(seed), study, trial)
            if self._space.allows(found):
                return found
        chance = RandomSampler(seed=derived_seed(self._seed, trial.number))
        for _ in range(RANDOM_ATTEMPTS):
            found = self._space.choose(lambda name: self._independent(chance, study, trial, name))
            if self._space.allows(found):
                return found
        raise ConstraintError(
            f"spec.constraints: {self._space.constraints}: none of {RANDOM_ATTEMPTS} random sets of parameters keeps"
            " them all: narrow the parameters' ranges to where they hold, or loosen the constraints"
        )

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter with one value only."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def _ask(self, sampler: BaseSampler, study: Study, trial: FrozenTrial) -> dict[str, Value]:
        sampler.before_trial(study, trial)
        together = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))

        def value(name: str) -> Value:
            if name in together:
                found: Value = together[name]
                return found
            return self._independent(sampler, study, trial, name)

        return self._space.choose(value)

    def _independent(self, sampler: BaseSampler, study: Study, trial: FrozenTrial, name: str) -> Value:
        found: Value = sampler.sample_independent(study, trial, name, self._space.distributions[name])
        return found


class _StillStorage:
    """A storage of which the trials are read once: while one is proposed, none changes."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage = storage
        self._trials = storage.get_all_trials(study_id, deepcopy=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        found = [trial for trial in self._trials if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


def _still(study: Study) -> Study:
    found = copy.copy(study)
    found._storage = _StillStorage(study._storage, study._study_id)  # type: ignore[assignment]
    return found
