"""Exported models that do what a test of rollouts wants: answer, fail, dawdle or drift. All are forests."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afina_jobs.automl import export
from afina_jobs.automl.export import Recipe
from afina_jobs.automl.features import pipeline
from afina_jobs.automl.features.tables import from_table
from afina_jobs.automl.problem import Problem
from afina_models.combination import Weighted
from afina_models.digest import FILES, digest
from afina_models.formats.forest import Forest
from afina_models.reference import reference
from support.models import SUMS, sums

BODIES = [{"rows": [{"a": (number + 0.5) / 10, "b": 0.0, "c": 0.0}]} for number in range(10)]
"""Requests whose `a` is evenly spread between 0 and 1."""


@dataclass(frozen=True)
class Canary:
    """A tree that asks whether `a` is at most a threshold, walked so many times."""

    low: float = 1.0
    """What it answers up to the threshold."""
    high: float = 2.0
    threshold: float = 0.7
    trees: int = 1

    def export(self, folder: Path) -> str:
        """Write it as the artifacts of a registered version have it; its digest."""
        frame, target = sums()
        columns = from_table(frame, SUMS)
        fitted, _ = pipeline.fit(columns, SUMS, target, 0, seed=0)
        member = folder / "fitted" / "only"
        member.mkdir(parents=True)
        fitted.save(member / "features.json")
        self._forest().save(member / "model.npz")
        recipe = Recipe("only", Problem("Regression", "RMSE", ()), ("only",), ("RandomForest",), Weighted([1.0]))
        export.write(recipe, folder / "fitted", reference(columns, SUMS), folder / "model" / FILES)
        return digest(folder / "model" / FILES)

    def _forest(self) -> Forest:
        return Forest(
            feature=np.array([0, -1, -1], np.int32),
            threshold=np.array([self.threshold, 0.0, 0.0]),
            left=np.array([1, 0, 0], np.int32),
            right=np.array([2, 0, 0], np.int32),
            missing_left=np.array([True, True, True]),
            value=np.array([[0.0], [self.low], [self.high]]),
            roots=np.zeros(self.trees, np.int32),
            depth=1,
        )


GOOD = Canary()
FAILING = Canary(high=float("nan"))
"""Three of ten answers are not a number."""
SLOW = Canary(trees=150_000)
"""Ten times as slow as the good one, which needs under a millisecond, and still able to answer on a busy machine."""
DRIFTED = Canary(low=100.0, high=200.0)
