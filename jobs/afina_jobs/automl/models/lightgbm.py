"""LightGBM, kept in its text format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afina_jobs.automl.models.base import Family, Order, Rows, both, floats, integers
from afina_jobs.automl.problem import Array

if TYPE_CHECKING:
    import lightgbm  # slow to import; a library that is broken breaks no other family

MAX_ROUNDS = 2000
_PATIENCE = 40
_BY_METRIC = {"MAE": "l1", "MAPE": "mape", "NDCG": "lambdarank"}


@dataclass(frozen=True)
class Boosted:
    """A booster."""

    booster: "lightgbm.Booster"
    classes: int
    threads: int
    rounds: int | None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        found = self.booster.predict(features, num_iteration=self.rounds, num_threads=self.threads)
        numbers = np.asarray(found, dtype=float)
        return both(numbers) if self.classes == 2 else numbers

    def contributions(self, features: Array) -> Array:
        """TreeSHAP of each feature, and the expectation last; of several classes one set after the other."""
        return np.asarray(self.booster.predict(features, pred_contrib=True, num_threads=self.threads))

    def save(self, file: Path) -> None:
        """Write the booster."""
        self.booster.save_model(file, num_iteration=self.rounds)


def load(file: Path) -> Boosted:
    """Read a booster; it predicts in one thread."""
    import lightgbm

    booster = lightgbm.Booster(model_file=file)
    binary = file.read_text().partition("objective=")[2].startswith("binary")
    return Boosted(booster, 2 if binary else 0, 1)


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
    name="LightGBM",
    view="Plain",
    suffix=".txt",
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
    load=load,
    stops_early=True,
)
