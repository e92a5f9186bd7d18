"""An exported model: a folder of files of which none runs when it is read.

model.json      the task, the members and how they are combined, calibration, uncertainty
features.json   the pipeline
member-N.*      the models, each in its family's format
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afina_jobs.automl import calibration, combination, conformal
from afina_jobs.automl.calibration import Calibration
from afina_jobs.automl.combination import Combination
from afina_jobs.automl.digest import check
from afina_jobs.automl.features.columns import from_rows, from_table
from afina_jobs.automl.features.pipeline import Pipeline
from afina_jobs.automl.metrics import labels
from afina_jobs.automl.models.base import Family, Model
from afina_jobs.automl.models.catalogue import FAMILIES
from afina_jobs.automl.problem import Array, Problem

FORMAT = 1


@dataclass(frozen=True)
class Uncertainty:
    """What is known of the doubt in a prediction."""

    calibration: Calibration = calibration.NONE
    threshold: float = 0.5
    half_width: float | None = None
    """Numbers: half the width of the interval."""
    doubt: float | None = None
    """Classes: the improbability up to which a class is in the set."""


@dataclass(frozen=True)
class Recipe:
    """A model made of members."""

    name: str
    problem: Problem
    members: tuple[str, ...]
    """Names of the fitted models."""
    families: tuple[str, ...]
    """Of the members."""
    combination: Combination
    uncertainty: Uncertainty = Uncertainty()

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": FORMAT,
            "name": self.name,
            "task": self.problem.task,
            "metric": self.problem.metric,
            "classes": list(self.problem.classes),
            "members": [
                {"name": name, "family": family, "file": f"member-{index}{FAMILIES[family].suffix}"}
                for index, (name, family) in enumerate(zip(self.members, self.families, strict=True))
            ],
            "combination": self.combination.state(),
            "calibration": self.uncertainty.calibration.state(),
            "threshold": self.uncertainty.threshold,
            "level": conformal.LEVEL,
            "half_width": self.uncertainty.half_width,
            "doubt": self.uncertainty.doubt,
        }


def write(recipe: Recipe, fitted: Path, folder: Path) -> None:
    """Write a model into a folder, anew.

    Args:
        recipe: of the model.
        fitted: folder with a folder for each member, as `CrossValidation.refit` leaves it.
        folder: where to.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = recipe.state()
    for member in state["members"]:
        source = fitted / member["name"]
        shutil.copyfile(source / f"model{FAMILIES[member['family']].suffix}", folder / member["file"])
        # The same for all: fitted to the same rows by the same seed.
        shutil.copyfile(source / "features.json", folder / "features.json")
    (folder / "model.json").write_text(json.dumps(state, indent=1))


@dataclass(frozen=True)
class Predictions:
    """What a model says of some rows."""

    values: Array
    """Calibrated probabilities, rows x classes; or numbers."""
    labels: list[str] | None = None
    """Classes: the one that was chosen for each row."""
    sets: Array | None = None
    """Classes: which of them the truth is among."""
    half_width: float | None = None
    """Numbers: the truth is within this distance."""


class Predictor:
    """An exported model, read back."""

    def __init__(self, pipeline: Pipeline, members: Sequence[tuple[Family, Model]], state: Mapping[str, Any]) -> None:
        self.pipeline = pipeline
        self.members = members
        self.classes: list[str] = state["classes"]
        self.threshold: float = state["threshold"]
        self._half_width: float | None = state["half_width"]
        self._doubt: float | None = state["doubt"]
        self._combine = combination.restored(state["combination"])
        self._calibrate = Calibration(**state["calibration"])

    @classmethod
    def load(cls, folder: Path, digest: str) -> "Predictor":
        """Read a model, if it is the one that the digest was made of.

        Raises:
            DigestError: a file was changed.
        """
        check(folder, digest)
        state = json.loads((folder / "model.json").read_text())
        families = [FAMILIES[member["family"]] for member in state["members"]]
        models = [
            family.load(folder / member["file"]) for family, member in zip(families, state["members"], strict=True)
        ]
        return cls(Pipeline.load(folder / "features.json"), list(zip(families, models, strict=True)), state)

    def predict(self, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> Predictions:
        """Predict rows of a table, or of a request."""
        read = from_table if isinstance(rows, pd.DataFrame) else from_rows
        return self.predict_features(self.pipeline.transform(read(rows, self.pipeline.types), "Plain"))

    def predict_features(self, plain: Array) -> Predictions:
        """Predict rows whose features are known."""
        found = self._combine([model.predict(self.pipeline.view(plain, family.view)) for family, model in self.members])
        if not self.classes:
            return Predictions(found, half_width=self._half_width)
        chances = self._calibrate(found)
        names = [self.classes[code] for code in labels(chances, self.threshold)]
        return Predictions(chances, names, None if self._doubt is None else conformal.sets(chances, self._doubt))

    def values(self, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> Array:
        """Probabilities or numbers alone."""
        return np.asarray(self.predict(rows).values)
