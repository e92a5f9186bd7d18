"""Ridge, elastic net and logistic regression."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

from afina_jobs.automl.models.base import Family, Order, choice, floats
from afina_models.formats.linear import FORMAT, Linear

_MAX_ITERATIONS = 500


def fit(order: Order) -> Linear:
    """Fit to standardised features."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what is not quite there yet competes as it is
        return _classify(order) if order.classes else _regress(order)


def _classify(order: Order) -> Linear:
    elastic = order.params["penalty"] == "elastic"
    model = LogisticRegression(
        C=1 / float(order.params["strength"]),
        l1_ratio=float(order.params["l1_share"]) if elastic else 0.0,
        solver="saga" if elastic else "lbfgs",
        max_iter=_MAX_ITERATIONS // 5 if elastic else _MAX_ITERATIONS,
        random_state=order.seed,
    ).fit(order.rows.features, order.rows.target)
    features = order.rows.features.shape[1]
    coefficients, intercept = np.zeros((features, order.classes)), np.full(order.classes, -50.0)
    if len(model.classes_) == 2:  # one set of coefficients: for the second against the first
        coefficients[:, model.classes_[1]] = model.coef_[0]
        intercept[model.classes_] = 0.0, model.intercept_[0]
    else:
        coefficients[:, model.classes_], intercept[model.classes_] = model.coef_.T, model.intercept_
    return Linear(coefficients, intercept, order.classes)


def _regress(order: Order) -> Linear:
    target = order.rows.target
    middle, spread = target.mean(), target.std() or 1.0
    strength = float(order.params["strength"])
    if order.params["penalty"] == "elastic":
        # Its penalty is on the mean of the errors, ridge's on their sum.
        share = float(order.params["l1_share"])
        model = ElasticNet(alpha=strength / 100, l1_ratio=share, max_iter=_MAX_ITERATIONS, random_state=order.seed)
    else:
        model = Ridge(alpha=strength)
    model.fit(order.rows.features.astype(float), (target - middle) / spread)
    intercept = np.array([float(model.intercept_) * spread + middle])
    return Linear(model.coef_.reshape(-1, 1) * spread, intercept, 0)


FAMILY = Family(
    format=FORMAT,
    space=(choice("penalty", "ridge", "elastic"), floats("strength", 1e-3, 1e3, "Log"), floats("l1_share", 0.1, 1.0)),
    default={"penalty": "ridge", "strength": 1.0, "l1_share": 0.5},
    fit=fit,
)
