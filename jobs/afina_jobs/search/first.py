"""Begins a search with parameters that are given."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial


class GivenFirst(BaseSampler):
    """Proposes given parameters in the first trials, and then what another sampler does."""

    def __init__(self, sampler: BaseSampler, given: Sequence[Mapping[str, Any]]) -> None:
        """Give all parameters of each of the first trials."""
        self.sampler = sampler
        self._given = given

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Prepare."""
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are sampled together; in the first trials none."""
        if trial.number < len(self._given):
            return {}
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample together."""
        if trial.number < len(self._given):
            return {}
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Sample one parameter."""
        if trial.number < len(self._given):
            return self._given[trial.number][param_name]
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)
