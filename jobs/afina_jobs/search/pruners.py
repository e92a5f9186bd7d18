"""The spec's pruning as an Optuna pruner."""

from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

from afina_api.tuningjob import Pruning


def pruner_for(pruning: Pruning | None) -> BasePruner:
    """The pruner, with Optuna's defaults: they suit trials that report per epoch or fold."""
    if pruning is None:
        return NopPruner()
    return MedianPruner() if pruning.name == "Median" else SuccessiveHalvingPruner()
