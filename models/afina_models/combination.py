"""How the predictions of several models become one: a weighted mean, or a linear model upon them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from afina_models.arrays import Array
from afina_models.formats.linear import Linear

_LEAST_CHANCE = 1e-6


@dataclass(frozen=True)
class Weighted:
    """The weighted mean of the members."""

    weights: list[float]

    def __call__(self, members: Sequence[Array]) -> Array:
        """Combine predictions of the same rows."""
        if self.weights == [1.0]:  # most models
            return members[0]
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

    def __call__(self, members: Sequence[Array]) -> Array:
        """Combine predictions of the same rows."""
        return self.model.predict(stack_features(members, self.middle, self.spread))

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


def voices(combined: Combination, members: int) -> list[float]:
    """How much each member counts in the spread: its weight. In a stack all count alike: coefficients are no weights,
    they may be negative.
    """
    return combined.weights if isinstance(combined, Weighted) else [1.0] * members


def spread(members: Sequence[Array], weights: Sequence[float]) -> Array:
    """How far the members are apart: their standard deviation around their own mean, for each row.

    Its square is the variance of their mixture where they tell no variance of their own (Lakshminarayanan, Pritzel and
    Blundell, Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, NeurIPS 2017, section 2.4).

    Args:
        members: one number for each row, from each member.
        weights: of the members, not all 0.
    """
    said = np.asarray(members)
    mean = np.average(said, axis=0, weights=weights)
    return np.asarray(np.sqrt(np.average((said - mean) ** 2, axis=0, weights=weights)))


def stack_features(members: Sequence[Array], middle: float, spread: float) -> Array:
    """What the linear model upon the members sees of their predictions."""
    if members[0].ndim == 1:
        return (np.column_stack(members) - middle) / spread
    logs = [np.log(np.clip(part, _LEAST_CHANCE, 1.0)) for part in members]
    # Of two classes the difference says it all.
    return np.hstack([part[:, 1:] - part[:, :1] if part.shape[1] == 2 else part for part in logs])
