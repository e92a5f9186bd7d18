"""Which columns matter: by how much the holdout's score falls when one is shuffled, and TreeSHAP where it is built in.

The column is shuffled before the pipeline, so that all features made of it count as one.
"""

import numpy as np

from afina_jobs.automl.data import Data
from afina_jobs.automl.metrics import loss, score
from afina_models.arrays import Array
from afina_models.formats import lightgbm, xgboost
from afina_models.predictor import Predictor

_MAX_ROWS = 2000
_LEAST_ROWS = 200
_MAX_PREDICTIONS = 100_000
"""So many rows are predicted in all, the fewer of each column the more columns there are."""
_REPEATS = 3


def permutation_importance(data: Data, predictor: Predictor) -> dict[str, float]:
    """How much worse the metric gets, the most important column first."""
    rng = np.random.default_rng(data.settled.seed)
    share = _MAX_PREDICTIONS // len(predictor.pipeline.types)
    rows = data.splits.holdout[: min(_MAX_ROWS, max(share, _LEAST_ROWS))]
    repeats = min(max(1, share // len(rows)), _REPEATS)
    target = data.target[rows]
    groups = None if data.groups is None else data.groups[rows]
    columns = data.columns(rows)
    metric = data.settled.problem.metric

    def reached(changed: dict[str, Array]) -> float:
        values = predictor.predict_features(predictor.pipeline.transform(changed, "Plain")).values
        return loss(metric, score(metric, target, values, groups, predictor.threshold))

    base = reached(columns)
    found = {}
    for name in predictor.pipeline.types:
        shuffled = [reached({**columns, name: rng.permutation(columns[name])}) for _ in range(repeats)]
        found[name] = float(np.mean(shuffled)) - base
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def tree_shap(data: Data, predictor: Predictor) -> dict[str, float] | None:
    """Mean absolute contribution of each feature in the first boosted member; None where there is none."""
    plain = predictor.pipeline.transform(data.columns(data.splits.holdout[:_MAX_ROWS]), "Plain")
    for _, model in predictor.members:
        if isinstance(model, xgboost.Boosted | lightgbm.Boosted):
            parts = np.abs(model.contributions(plain)).reshape(len(plain), -1, plain.shape[1] + 1)
            means = parts[:, :, :-1].sum(axis=1).mean(axis=0)
            order = np.argsort(-means)
            return {predictor.pipeline.names[index]: float(means[index]) for index in order}
    return None
