"""The spec's algorithm as an Optuna sampler that proposes the same again, whatever died in between."""

import importlib
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna import Study, samplers
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from afina_api.algorithm import (
    Algorithm,
    CmaEsSettings,
    GPSettings,
    HybridSettings,
    NSGAIIISettings,
    NSGAIISettings,
    PBTSettings,
    QMCSettings,
    TPESettings,
)
from afina_api.parameters import Parameter
from afina_jobs.search.allowed import AllowedSampler
from afina_jobs.search.cmaes import ReplayingCmaEsSampler
from afina_jobs.search.gp import ResumingGPSampler
from afina_jobs.search.grid import grid_of
from afina_jobs.search.past import History
from afina_jobs.search.pbt import PopulationSampler
from afina_jobs.search.qmc import NumberedQMCSampler
from afina_jobs.search.seeds import derived_seed
from afina_jobs.search.space import SearchSpace

Make = Callable[[int], BaseSampler]
"""Makes a sampler from a seed."""


def sampler_for(
    algorithm: Algorithm, parameters: Sequence[Parameter], space: SearchSpace, seed: int, history: History
) -> BaseSampler:
    """The sampler of an algorithm.

    Raises:
        ModuleNotFoundError: GP without torch.
        ConstraintError: a constraint cannot be evaluated, or no combination of a grid keeps them all.
    """
    warnings.filterwarnings("ignore", category=ExperimentalWarning)  # said to users of Optuna, for each trial anew
    if algorithm.name == "Grid":
        return grid_of(parameters, space, seed)
    make = _maker(algorithm, space, history)
    found = AllowedSampler(make, space, seed) if space.constraints else make(seed)
    if algorithm.name == "PBT":
        return PopulationSampler(found, algorithm.pbt or PBTSettings(), space, seed)
    return found


def _maker(algorithm: Algorithm, space: SearchSpace, history: History) -> Make:
    if algorithm.name == "QMC":
        settings = algorithm.qmc or QMCSettings()
        kind = settings.sequence.lower()
        return lambda seed: NumberedQMCSampler(
            space.distributions, qmc_type=kind, scramble=settings.scramble, seed=seed
        )
    make = _hybrid(algorithm, space, history) if algorithm.name == "Hybrid" else _MAKERS[algorithm.name](algorithm)
    return lambda seed: PerTrialSampler(make, seed)


def _hybrid(algorithm: Algorithm, space: SearchSpace, history: History) -> Make:
    # SciPy, which they need, takes as long to import as all else in a driver.
    from afina_jobs.search.hybrid.sampler import HybridSampler

    settings = algorithm.hybrid or HybridSettings()
    return lambda seed: HybridSampler(
        seed=seed,
        startup_trials=settings.startup_trials,
        search_space=space.distributions,
        history=history,
        conditions=space.conditions,
        allowed=(lambda params: space.allows(space.there(params))) if space.constraints else None,
    )


def _random(_: Algorithm) -> Make:
    return lambda seed: samplers.RandomSampler(seed=seed)


def _tpe(algorithm: Algorithm) -> Make:
    settings = algorithm.tpe or TPESettings()
    return lambda seed: samplers.TPESampler(
        n_startup_trials=settings.startup_trials,
        n_ei_candidates=settings.candidates,
        multivariate=settings.multivariate,
        seed=seed,
    )


def _gp(algorithm: Algorithm) -> Make:
    torch = importlib.import_module("torch")  # Optuna would miss it only at the first trial that needs it
    # Its matrices are small: several threads would wait for each other most of the time, and by running.
    torch.set_num_threads(1)
    settings = algorithm.gp or GPSettings()
    return lambda seed: ResumingGPSampler(
        n_startup_trials=settings.startup_trials, deterministic_objective=settings.deterministic, seed=seed
    )


def _cma_es(algorithm: Algorithm) -> Make:
    settings = algorithm.cma_es or CmaEsSettings()
    return lambda seed: ReplayingCmaEsSampler(
        n_startup_trials=settings.startup_trials,
        popsize=settings.population_size,
        consider_pruned_trials=settings.consider_pruned_trials,
        use_separable_cma=settings.variant == "Separable",
        with_margin=settings.variant == "WithMargin",
        lr_adapt=settings.variant == "LearningRateAdaptation",
        warn_independent_sampling=False,
        seed=seed,
    )


def _nsgaii(algorithm: Algorithm) -> Make:
    settings = algorithm.nsgaii or NSGAIISettings()
    return lambda seed: samplers.NSGAIISampler(**_genetic(settings), seed=seed)


def _nsgaiii(algorithm: Algorithm) -> Make:
    settings = algorithm.nsgaiii or NSGAIIISettings()
    return lambda seed: samplers.NSGAIIISampler(
        **_genetic(settings), dividing_parameter=settings.dividing_parameter, seed=seed
    )


def _genetic(settings: NSGAIISettings) -> dict[str, Any]:
    return {
        "population_size": settings.population_size,
        "mutation_prob": settings.mutation_probability,
        "crossover_prob": settings.crossover_probability,
        "swapping_prob": settings.swapping_probability,
    }


_MAKERS: Mapping[str, Callable[[Algorithm], Make]] = {
    "Random": _random,
    "PBT": _random,  # which is what its members begin with
    "TPE": _tpe,
    "GP": _gp,
    "CmaEs": _cma_es,
    "NSGAII": _nsgaii,
    "NSGAIII": _nsgaiii,
}


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
