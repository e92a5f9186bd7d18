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
    """The shares of each parameter, the weightiest first."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < MIN_TRIALS:
        return []
    # SciPy, which it needs, is not to be imported for a search of few trials.
    from afina_jobs.search.hybrid.importance import expected_importances

    expected = expected_importances(study)
    return [
        ParameterImportance(name=name, value=round(value, 3), expected=_rounded(expected.get(name)))
        for name, value in list(pedanova(study).items())[:MAX_IMPORTANCES]
    ]


def pedanova(study: optuna.Study) -> dict[str, float]:
    """The share of each parameter in reaching the best trials, the weightiest first.

    PED-ANOVA (Watanabe et al., IJCAI 2023): how much the distribution of a parameter among the best trials differs from
    that among all. It takes milliseconds, where fANOVA fits a forest. Compared are the best quarter of the trials, or
    the best five where that is more: of a tenth, Optuna's default, two or three are too few to tell a parameter from
    another in the searches that are common.

    Raises:
        ValueError, RuntimeError: there is nothing to compare.
    """
    succeeded = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=min(max(0.25, 5 / max(succeeded, 1)), 0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of equal values: then no parameter is weightier than another
        found = get_param_importances(study, evaluator=evaluator)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)
