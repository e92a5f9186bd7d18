"""How a search chooses its next parameters: Optuna's samplers by Optuna's names, with Optuna's defaults."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from afina_api.base import Model
from afina_api.choice import Choice, choice_rules

StartupTrials = Annotated[int, Field(ge=1, le=1000)]
Probability = Annotated[float, Field(ge=0, le=1)]


class TPESettings(Model):
    """Settings of TPE."""

    startup_trials: StartupTrials = 10
    """So many random trials come before the model decides."""
    candidates: Annotated[int, Field(ge=1, le=10_000)] = 24
    """So many candidates are compared for each trial."""
    multivariate: bool | None = None
    """Whether parameters are drawn together, so that what hangs together is learned. Unset: with one objective."""


class HybridSettings(Model):
    """Settings of Hybrid."""

    startup_trials: StartupTrials = 5
    """So many trials come before the model decides: the centre of the ranges, then random ones. With `warmStartFrom`
    none do."""


class GPSettings(Model):
    """Settings of GP."""

    startup_trials: StartupTrials = 10
    """So many random trials come before the model decides."""
    deterministic: bool = False
    """Whether the same parameters always give the same value; then no noise is estimated."""


class CmaEsSettings(Model):
    """Settings of CmaEs."""

    startup_trials: StartupTrials = 1
    """So many random trials come before the first generation."""
    population_size: Annotated[int, Field(ge=4, le=1000)] | None = None
    """Trials of one generation. Unset: 4 + 3 ln(number of numeric parameters), rounded down."""
    variant: Literal["Full", "Separable", "WithMargin", "LearningRateAdaptation"] = "Full"
    """Full: learns how parameters hang together. Separable: does not, and so learns faster in many dimensions.
    WithMargin: keeps parameters with steps from getting stuck. LearningRateAdaptation: for noisy values and many
    local optima."""
    consider_pruned_trials: bool = False
    """Whether pruned trials count, by their last intermediate value; of use with Hyperband."""


class NSGAIISettings(Model):
    """Settings of NSGAII."""

    population_size: Annotated[int, Field(ge=2, le=1000)] = 50
    """Trials of one generation; those of the first are random."""
    mutation_probability: Probability | None = None
    """That a parameter is drawn anew. Unset: 1 / number of parameters."""
    crossover_probability: Probability = 0.9
    """That a trial has two parents, not one."""
    swapping_probability: Probability = 0.5
    """That a parameter comes from the second of two parents."""


class NSGAIIISettings(NSGAIISettings):
    """Settings of NSGAIII."""

    dividing_parameter: Annotated[int, Field(ge=1, le=12)] = 3
    """Divisions of each objective between the points by which trials are kept apart."""


class QMCSettings(Model):
    """Settings of QMC."""

    sequence: Literal["Sobol", "Halton"] = "Sobol"
    """Sobol: most even after 2, 4, 8, ... trials. Halton: after any number, in few dimensions."""
    scramble: bool = False
    """Whether the points are shuffled by the seed. Without it every search gets the same ones."""


class PBTSettings(Model):
    """Settings of PBT."""

    population_size: Annotated[int, Field(ge=2, le=1000)] = 8
    """So many members go on side by side or by turns; the first trial of each is random."""
    quantile_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    """A member among the worst of them by this share goes on from one among the best by this share. 0: none does."""
    resample_probability: Probability = 0.25
    """That a parameter is then drawn anew, and not moved to 0.8 or 1.2 of its value, or to the next choice."""


_SETTINGS_OF = {
    "TPE": "tpe",
    "Hybrid": "hybrid",
    "GP": "gp",
    "CmaEs": "cmaEs",
    "NSGAII": "nsgaii",
    "NSGAIII": "nsgaiii",
    "QMC": "qmc",
    "PBT": "pbt",
}


class Algorithm(Choice):
    """How the next parameters are chosen."""

    rules: ClassVar = choice_rules(_SETTINGS_OF)
    settings_of: ClassVar[Mapping[str, str]] = _SETTINGS_OF

    name: Literal["TPE", "Hybrid", "GP", "CmaEs", "NSGAII", "NSGAIII", "QMC", "PBT", "Random", "Grid"] = "TPE"
    """TPE: tree-structured Parzen estimator, good everywhere. Hybrid: Gaussian process that chooses how to see the
    values, for 10 to 100 trials of any parameters; learns from earlier searches. GP: Optuna's Gaussian process; runs in
    the torch image. CmaEs: evolution strategy, for hundreds of trials of numeric parameters.
    NSGAII, NSGAIII: genetic, for hundreds of trials. QMC: spread more evenly than at random. PBT: population
    based training, for trials that go on from each other's checkpoints. Random: the baseline. Grid: every combination,
    in random order."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """The same seed proposes the same parameters, as long as trials end in the same order."""
    tpe: TPESettings | None = None
    """Settings of TPE."""
    hybrid: HybridSettings | None = None
    """Settings of Hybrid."""
    gp: GPSettings | None = None
    """Settings of GP."""
    cma_es: CmaEsSettings | None = None
    """Settings of CmaEs."""
    nsgaii: NSGAIISettings | None = None
    """Settings of NSGAII."""
    nsgaiii: NSGAIIISettings | None = None
    """Settings of NSGAIII."""
    qmc: QMCSettings | None = None
    """Settings of QMC."""
    pbt: PBTSettings | None = None
    """Settings of PBT."""

    @property
    def inherits(self) -> bool:
        """Whether a trial may begin from the checkpoint of one that has ended."""
        return self.name == "PBT"
