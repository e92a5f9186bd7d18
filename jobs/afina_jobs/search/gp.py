"""A Gaussian process that knows its own proposal again."""

from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import GPSampler
from optuna.samplers._gp.sampler import _get_params
from optuna.trial import FrozenTrial


class ResumingGPSampler(GPSampler):
    """Optuna's GPSampler, but what it proposed for a trial before a crash it proposes again.

    Optuna's own would take that for a trial that runs beside this one, and keep away from it.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The trial's parameters."""
        known = _get_params(trial)
        if search_space and search_space.keys() <= known.keys():
            return {name: known[name] for name in search_space}
        return super().sample_relative(study, trial, search_space)
