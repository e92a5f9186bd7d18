"""How the predictions of several models become one: a weighted mean, or a linear model upon them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from afina_jobs.automl.folds import Fold
from afina_jobs.automl.models import linear
from afina_jobs.automl.models.base import Order, Rows
from afina_jobs.automl.models.linear import Linear
from afina_jobs.automl.problem import Array
from afina_jobs.contract import Value

_LEAST_CHANCE = 1e-6
_STRENGTH = 1.0


@dataclass(frozen=True)
class Weighted:
    """The weighted mean of the members."""

    weights: list[float]

    def __call__(self, members: Sequence[Array]) -> Array:
        """Combine predictions of the same rows."""
        return np.asarray(np.tensordot(np.asarray(self.weights), np.asarray(members), axes=1))

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": "Weighted", "weights": self.weights}


@dataclass(frozen=True)
class Stacked:
    """Ridge upon the members' numbers, or logistic regression upon the logarithms of their probabilities."""

    model: Linear
    middle: float
    spread: float
    """Of a numeric target."""

    @classmethod
    def fit(cls, members: Sequence[Array], target: Array, classes: int, metric: str, seed: int) -> "Stacked":
        """Fit to predictions of rows that the members had not seen."""
        middle = 0.0 if classes else float(target.mean())
        spread = 1.0 if classes else float(target.std()) or 1.0
        params: dict[str, Value] = {"penalty": "ridge", "strength": _STRENGTH}
        rows = Rows(_features(members, middle, spread), target)
        return cls(linear.fit(Order(rows, classes, metric, params, seed, threads=1)), middle, spread)

    def __call__(self, members: Sequence[Array]) -> Array:
        """Combine predictions of the same rows."""
        return self.model.predict(_features(members, self.middle, self.spread))

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": "Stacked",
            "coefficients": self.model.coefficients.tolist(),
            "intercept": self.model.intercept.tolist(),
            "classes": self.model.classes,
            "middle": self.middle,
            "spread": self.spread,
        }


Combination = Weighted | Stacked


def restored(state: dict[str, Any]) -> Combination:
    """A combination from its JSON."""
    if state["kind"] == "Weighted":
        return Weighted(state["weights"])
    model = Linear(np.array(state["coefficients"]), np.array(state["intercept"]), state["classes"])
    return Stacked(model, state["middle"], state["spread"])


def stacked_unseen(
    members: Sequence[Array], target: Array, classes: int, metric: str, seed: int, folds: Sequence[Fold]
) -> Array:
    """What a stack predicts of each fold when it is fitted to the others: its own out-of-fold predictions."""
    found = np.full_like(members[0], np.nan)
    tested = np.concatenate([test for _, test in folds])
    for _, test in folds:
        others = np.setdiff1d(tested, test)
        stack = Stacked.fit([part[others] for part in members], target[others], classes, metric, seed)
        found[test] = stack([part[test] for part in members])
    return found


def _features(members: Sequence[Array], middle: float, spread: float) -> Array:
    if members[0].ndim == 1:
        return (np.column_stack(members) - middle) / spread
    logs = [np.log(np.clip(part, _LEAST_CHANCE, 1.0)) for part in members]
    # Of two classes the difference says it all.
    return np.hstack([part[:, 1:] - part[:, :1] if part.shape[1] == 2 else part for part in logs])
