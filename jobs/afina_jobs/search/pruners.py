"""The spec's pruning as an Optuna pruner that decides the same, whatever died in between."""

import warnings
from collections.abc import Callable
from typing import Any

from optuna import Study, pruners
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from afina_api.pruning import (
    HyperbandSettings,
    MedianSettings,
    PlainPruning,
    Pruning,
    SuccessiveHalvingSettings,
    ThresholdSettings,
    WilcoxonSettings,
)


def pruner_for(pruning: Pruning | None) -> BasePruner:
    """The pruner of a spec."""
    if pruning is None:
        return pruners.NopPruner()
    warnings.filterwarnings("ignore", category=ExperimentalWarning)  # Wilcoxon
    patient = pruning.patient
    if patient is None:
        return _plain(pruning)
    wrapped = _plain(patient.pruner) if patient.pruner else None
    return pruners.PatientPruner(wrapped, patient.patience, patient.min_delta)


def _plain(pruning: PlainPruning | Pruning) -> BasePruner:
    if pruning.percentile:
        return pruners.PercentilePruner(pruning.percentile.percentile, **_when(pruning.percentile))
    if pruning.threshold:
        return _threshold(pruning.threshold)
    if pruning.name == "SuccessiveHalving":
        return _successive_halving(pruning.successive_halving or SuccessiveHalvingSettings())
    if pruning.name == "Hyperband":
        return _hyperband(pruning.hyperband or HyperbandSettings())
    if pruning.name == "Wilcoxon":
        wilcoxon = pruning.wilcoxon or WilcoxonSettings()
        return pruners.WilcoxonPruner(p_threshold=wilcoxon.p_threshold, n_startup_steps=wilcoxon.startup_steps)
    return pruners.MedianPruner(**_when(pruning.median or MedianSettings()))


def _when(settings: MedianSettings) -> dict[str, Any]:
    return {
        "n_startup_trials": settings.startup_trials,
        "n_warmup_steps": settings.warmup_steps,
        "interval_steps": settings.interval_steps,
        "n_min_trials": settings.min_trials,
    }


def _threshold(settings: ThresholdSettings) -> BasePruner:
    return pruners.ThresholdPruner(
        settings.lower, settings.upper, n_warmup_steps=settings.warmup_steps, interval_steps=settings.interval_steps
    )


def _successive_halving(settings: SuccessiveHalvingSettings) -> BasePruner:
    def make(min_resource: int) -> BasePruner:
        return pruners.SuccessiveHalvingPruner(
            min_resource, settings.reduction_factor, settings.min_early_stopping_rate, settings.bootstrap_count
        )

    if settings.min_resource is not None:
        return make(settings.min_resource)
    return FromFirstTrial(lambda last_step: make(max(last_step // 100, 1)))


def _hyperband(settings: HyperbandSettings) -> BasePruner:
    def make(max_resource: int) -> BasePruner:
        return pruners.HyperbandPruner(
            settings.min_resource, max_resource, settings.reduction_factor, settings.bootstrap_count
        )

    if settings.max_resource is not None:
        return make(settings.max_resource)
    return FromFirstTrial(lambda last_step: make(last_step + 1))


class FromFirstTrial(BasePruner):
    """Prunes nothing until a trial has succeeded, whose last step then decides how far trials go.

    Optuna's own "auto" takes the longest of the trials that have succeeded when the process first asks, which another
    process, after a crash, would answer otherwise.
    """

    def __init__(self, make: Callable[[int], BasePruner]) -> None:
        """Make is given the last step of the first trial that succeeded."""
        self._make = make
        self._pruner: BasePruner | None = None

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial should end."""
        if self._pruner is None:
            succeeded = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            ends = [(str(found.datetime_complete), found.number, found.last_step) for found in succeeded]
            steps = [step for _, _, step in sorted(ends) if step is not None]
            if not steps:
                return False
            self._pruner = self._make(steps[0])
        return self._pruner.prune(study, trial)
