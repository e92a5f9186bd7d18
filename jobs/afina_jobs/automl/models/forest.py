"""Random forests and extra trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from afina_jobs.automl.models.base import Family, Order, choice, floats, integers
from afina_models.arrays import Array
from afina_models.formats import forest
from afina_models.formats.base import Format, Model
from afina_models.formats.forest import Forest

TREES = 100
DOUBT = 1 / TREES
"""Share of the uniform distribution in the probabilities: that all trees agree makes nothing certain."""


@dataclass(frozen=True)
class FittedForest:
    """While it is compared with others, scikit-learn predicts: it is faster for many rows."""

    estimator: Any
    classes: int
    rounds: None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        if not self.classes:
            return np.asarray(self.estimator.predict(features))
        found = np.zeros((len(features), self.classes))
        found[:, self.estimator.classes_] = self.estimator.predict_proba(features)
        return _doubted(found)

    def save(self, file: Path) -> None:
        """Write the arrays."""
        _arrays(self.estimator, self.classes).save(file)


def fit(kinds: Mapping[bool, type], order: Order) -> Model:
    """Fit a forest of the kind for classes or for numbers."""
    settings = {"criterion": order.params["criterion"]} if order.classes else {}
    estimator = kinds[bool(order.classes)](
        n_estimators=TREES,
        max_features=float(order.params["max_features"]),
        min_samples_leaf=int(order.params["min_samples_leaf"]),
        n_jobs=order.threads,
        random_state=order.seed,
        **settings,
    )
    return FittedForest(estimator.fit(order.rows.features, order.rows.target), order.classes)


def _arrays(estimator: Any, classes: int) -> Forest:
    trees = [tree.tree_ for tree in estimator.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    values = np.concatenate([tree.value[:, 0, :] for tree in trees])
    if classes:
        all_classes = np.zeros((len(values), classes))
        all_classes[:, estimator.classes_] = values
        values = _doubted(all_classes)
    return Forest(
        feature=np.concatenate([np.maximum(tree.feature, -1) for tree in trees]).astype(np.int32),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        left=_children([tree.children_left for tree in trees], roots),
        right=_children([tree.children_right for tree in trees], roots),
        missing_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool),
        value=values,
        roots=roots.astype(np.int32),
        depth=max(tree.max_depth for tree in trees),
    )


def _doubted(probabilities: Array) -> Array:
    return np.asarray(probabilities * (1 - DOUBT) + DOUBT / probabilities.shape[1])


def _children(parts: list[Array], roots: Array) -> Array:
    moved = [np.where(part < 0, 0, part + root) for part, root in zip(parts, roots, strict=True)]
    return np.concatenate(moved).astype(np.int32)


def _family(kept: Format, classifier: type, regressor: type) -> Family:
    return Family(
        format=kept,
        space=(
            floats("max_features", 0.1, 1.0),
            integers("min_samples_leaf", 1, 64, "Log"),
            choice("criterion", "gini", "entropy"),
        ),
        default={"max_features": 0.4, "min_samples_leaf": 2, "criterion": "gini"},
        fit=partial(fit, {True: classifier, False: regressor}),
    )


RANDOM_FOREST = _family(forest.RANDOM_FOREST, RandomForestClassifier, RandomForestRegressor)
EXTRA_TREES = _family(forest.EXTRA_TREES, ExtraTreesClassifier, ExtraTreesRegressor)
