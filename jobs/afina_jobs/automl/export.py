"""Writes a model into the folder that `afina_models` reads."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afina_jobs.automl import conformal
from afina_jobs.automl.problem import Problem
from afina_models import calibration, reference
from afina_models.calibration import Calibration
from afina_models.combination import Combination
from afina_models.formats.catalogue import FORMATS
from afina_models.images import learned
from afina_models.images.learned import LearnedImages
from afina_models.reference import ColumnReference

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
                {"name": name, "family": family, "file": f"member-{index}{FORMATS[family].suffix}"}
                for index, (name, family) in enumerate(zip(self.members, self.families, strict=True))
            ],
            "combination": self.combination.state(),
            "calibration": self.uncertainty.calibration.state(),
            "threshold": self.uncertainty.threshold,
            "level": conformal.LEVEL,
            "half_width": self.uncertainty.half_width,
            "doubt": self.uncertainty.doubt,
        }


def write(
    recipe: Recipe,
    fitted: Path,
    rows: Mapping[str, ColumnReference],
    folder: Path,
    images: LearnedImages | None = None,
) -> None:
    """Write a model into a folder, anew.

    Args:
        recipe: of the model.
        fitted: folder with a folder for each member, as `CrossValidation.refit` leaves it.
        rows: what those were like that it learned from, by column.
        folder: where to.
        images: what those were like that columns were measured of.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state = recipe.state()
    for member in state["members"]:
        source = fitted / member["name"]
        shutil.copyfile(source / f"model{FORMATS[member['family']].suffix}", folder / member["file"])
        # The same for all: fitted to the same rows by the same seed.
        shutil.copyfile(source / "features.json", folder / "features.json")
    reference.save(rows, folder / reference.REFERENCE)
    if images:
        learned.save(images, folder / learned.IMAGES)
    (folder / "model.json").write_text(json.dumps(state, indent=1))
