"""The spec's algorithm as an Optuna sampler that proposes the same again, whatever died in between."""

import importlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from afina_api.parameters import Parameter
from afina_api.tuningjob import Algorithm, AlgorithmSettings
from afina_jobs.search.grid import GridSampler
from afina_jobs.search.space import axis

Make = Callable[[int], BaseSampler]
"""Makes a sampler from a seed."""


def sampler_for(algorithm: Algorithm, parameters: Sequence[Parameter], seed: int) -> BaseSampler:
    """The sampler of an algorithm.

    Raises:
        ModuleNotFoundError: GP without torch.
    """
    if algorithm.name == "Grid":
        return GridSampler({parameter.name: axis(parameter) for parameter in parameters}, seed)
    if algorithm.name == "GP":
        importlib.import_module("torch")  # Optuna would miss it only at the first trial that needs it

    return PerTrialSampler(_maker(algorithm), seed)


def _maker(algorithm: Algorithm) -> Make:
    settings = algorithm.settings or AlgorithmSettings()
    startup: dict[str, Any] = {} if settings.startup_trials is None else {"n_startup_trials": settings.startup_trials}
    candidates: dict[str, Any] = {} if settings.candidates is None else {"n_ei_candidates": settings.candidates}
    makers: dict[str, Make] = {
        "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed, **startup, **candidates),
        "GP": lambda seed: optuna.samplers.GPSampler(seed=seed, **startup),
        "Random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    }
    return makers[algorithm.name]


class PerTrialSampler(BaseSampler):
    """Makes a new sampler for every trial, seeded by the job's seed and the trial's number.

    A sampler carries the state of its random numbers (and GP its last fit) from trial to trial, and loses it when
    the process dies. Made anew, it depends on the study only: a resumed search goes on as if it had not stopped.
    """

    def __init__(self, make: Make, seed: int) -> None:
        self._make = make
        self._seed = seed
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the trial's sampler."""
        self._sampler = self._make(derived_seed(self._seed, trial.number))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that are sampled together."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample together."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Sample one parameter, from a seed of its own: a trial whose first parameters were stored before a crash
        gets the rest as it would have without it.
        """
        sampler = self._make(derived_seed(self._seed, trial.number, zlib.crc32(param_name.encode())))
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def derived_seed(*parts: int) -> int:
    """A seed that is as good as independent of those of other parts."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
