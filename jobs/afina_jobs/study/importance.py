"""Which parameters decide about the value."""

import warnings

import optuna
from optuna.trial import TrialState

from afina_api.tuningstatus import MAX_IMPORTANCES, ParameterImportance
from afina_models.imports import without

with without("sklearn"):  # of use for importances of another kind
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

MIN_TRIALS = 10
"""Of fewer succeeded trials nothing is said."""


def importances(study: optuna.Study) -> list[ParameterImportance]:
    """The share of each parameter, the weightiest first.

    PED-ANOVA (Watanabe et al., IJCAI 2023): how much the distribution of a parameter among the best trials differs from
    that among all. It takes milliseconds, where fANOVA fits a forest.
    """
    succeeded = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if succeeded < MIN_TRIALS:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of equal values: then no parameter is weightier than another
        found = get_param_importances(study, evaluator=evaluator(succeeded))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [ParameterImportance(name=name, value=round(value, 3)) for name, value in ranked[:MAX_IMPORTANCES]]


def evaluator(succeeded: int) -> PedAnovaImportanceEvaluator:
    """Compares the best quarter of the trials with all, or the best five where that is more: of a tenth, Optuna's
    default, two or three are too few to tell a parameter from another in the searches that are common.
    """
    return PedAnovaImportanceEvaluator(target_quantile=min(max(0.25, 5 / max(succeeded, 1)), 0.5))
