"""LightGBM: gradient boosting."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from afina_jobs.automl.models.base import Family, Order, Rows, floats, integers
from afina_models.formats.lightgbm import FORMAT, Boosted

if TYPE_CHECKING:
    pass  # slow to import; a library that is broken breaks no other family

MAX_ROUNDS = 2000
_PATIENCE = 40
_BY_METRIC = {"MAE": "l1", "MAPE": "mape", "NDCG": "lambdarank"}


def fit(order: Order) -> Boosted:
    """Boost until the early rows get no better, or for the given rounds."""
    import lightgbm

    settings = {
        **order.params,
        "subsample_freq": 1,
        "seed": order.seed,
        "num_threads": order.threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
        **_objective(order),
    }
    data = lightgbm.Dataset(**_parts(order.rows))
    early = [data.create_valid(**_parts(order.early))] if order.early else []
    stop: list[Callable[..., Any]] = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if early else []
    booster = lightgbm.train(settings, data, order.rounds or MAX_ROUNDS, valid_sets=early, callbacks=stop)
    rounds = booster.best_iteration if early else booster.current_iteration()
    return Boosted(booster, order.classes, order.threads, rounds)


def _objective(order: Order) -> dict[str, str | int]:
    if order.classes > 2:
        return {"objective": "multiclass", "num_class": order.classes}
    if order.classes == 2:
        return {"objective": "binary"}
    return {"objective": _BY_METRIC.get(order.metric, "l2")}


def _parts(rows: Rows) -> dict[str, Any]:
    sizes = None if rows.groups is None else np.unique(rows.groups, return_counts=True)[1]
    return {"data": rows.features, "label": rows.target, "group": sizes}


FAMILY = Family(
    format=FORMAT,
    space=(
        floats("learning_rate", 0.01, 0.2, "Log"),
        integers("num_leaves", 4, 128, "Log"),
        integers("min_data_in_leaf", 2, 100, "Log"),
        floats("subsample", 0.5, 1.0),
        floats("colsample_bytree", 0.4, 1.0),
        floats("reg_lambda", 1e-3, 50, "Log"),
        floats("reg_alpha", 1e-3, 10, "Log"),
    ),
    default={
        "learning_rate": 0.05,
        "num_leaves": 24,
        "min_data_in_leaf": 20,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "reg_lambda": 1.0,
        "reg_alpha": 0.001,
    },
    fit=fit,
    stops_early=True,
)
