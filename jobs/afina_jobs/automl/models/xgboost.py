"""XGBoost: gradient boosting."""

from typing import TYPE_CHECKING

from afina_jobs.automl.models.base import Family, Order, Rows, floats, integers
from afina_models.formats.xgboost import FORMAT, Boosted

if TYPE_CHECKING:
    import xgboost  # slow to import; a library that is broken breaks no other family

MAX_ROUNDS = 2000
_PATIENCE = 40
_BY_METRIC = {"MAE": "reg:absoluteerror", "MAPE": "reg:absoluteerror", "NDCG": "rank:ndcg"}


def fit(order: Order) -> Boosted:
    """Boost until the early rows get no better, or for the given rounds."""
    import xgboost

    settings = {
        **order.params,
        "tree_method": "hist",
        "seed": order.seed,
        "nthread": order.threads,
        "verbosity": 0,
        **_objective(order),
    }
    early = [(_matrix(order.early, order.threads), "early")] if order.early else []
    booster = xgboost.train(
        settings,
        _matrix(order.rows, order.threads),
        order.rounds or MAX_ROUNDS,
        evals=early,
        early_stopping_rounds=_PATIENCE if early else None,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1 if early else booster.num_boosted_rounds()
    return Boosted(booster, order.classes, rounds)


def _objective(order: Order) -> dict[str, str | int]:
    if order.classes > 2:
        return {"objective": "multi:softprob", "num_class": order.classes}
    if order.classes == 2:
        return {"objective": "binary:logistic"}
    return {"objective": _BY_METRIC.get(order.metric, "reg:squarederror")}


def _matrix(rows: Rows, threads: int) -> "xgboost.DMatrix":
    import xgboost

    return xgboost.DMatrix(rows.features, rows.target, qid=rows.groups, nthread=threads)


FAMILY = Family(
    format=FORMAT,
    space=(
        floats("learning_rate", 0.01, 0.2, "Log"),
        integers("max_depth", 3, 10),
        floats("min_child_weight", 0.5, 50, "Log"),
        floats("subsample", 0.5, 1.0),
        floats("colsample_bytree", 0.4, 1.0),
        floats("reg_lambda", 1e-2, 50, "Log"),
        floats("reg_alpha", 1e-3, 10, "Log"),
    ),
    default={
        "learning_rate": 0.05,
        "max_depth": 5,
        "min_child_weight": 3.0,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "reg_lambda": 1.0,
        "reg_alpha": 0.001,
    },
    fit=fit,
    stops_early=True,
)
