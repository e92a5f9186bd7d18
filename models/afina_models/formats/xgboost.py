"""XGBoost, kept in its UBJ format."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from afina_models.arrays import Array, both
from afina_models.formats.base import Format
from afina_models.imports import without

if TYPE_CHECKING:
    import xgboost  # slow to import; a library that is broken breaks no other format


@dataclass(frozen=True)
class Boosted:
    """A booster."""

    booster: "xgboost.Booster"
    classes: int
    rounds: int | None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        wanted = (0, self.rounds) if self.rounds else (0, 0)
        found = np.asarray(self.booster.inplace_predict(features, iteration_range=wanted), dtype=float)
        return both(found) if self.classes == 2 else found

    def contributions(self, features: Array) -> Array:
        """TreeSHAP of each feature, and the expectation last; of several classes one set after the other."""
        import xgboost

        return np.asarray(self.booster.predict(xgboost.DMatrix(features), pred_contribs=True))

    def save(self, file: Path) -> None:
        """Write the booster."""
        self.booster[: self.rounds].save_model(file)


def load(file: Path) -> Boosted:
    """Read a booster; it predicts in one thread."""
    # They are two thirds of the memory of a model server.
    with without("pandas", "sklearn"):
        import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=file)
    return Boosted(booster, 2 if '"binary:logistic"' in booster.save_config() else 0)


FORMAT = Format("XGBoost", "Plain", ".ubj", load)
