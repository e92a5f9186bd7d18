"""Small exported models, fitted by the job's code in a moment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afina_jobs.automl import export
from afina_jobs.automl.export import Recipe, Uncertainty
from afina_jobs.automl.features import pipeline
from afina_jobs.automl.features.tables import from_table
from afina_jobs.automl.models.base import Order, Rows
from afina_jobs.automl.models.catalogue import FAMILIES
from afina_jobs.automl.problem import Problem
from afina_models.arrays import Array
from afina_models.combination import Combination, Weighted
from afina_models.digest import FILES, digest
from afina_models.images.learned import LearnedImages
from afina_models.reference import reference

HOUSE: dict[str, Any] = {
    "area": 150.0,
    "town": "Soria",
    "garden": True,
    "built": "1999-05-01T00:00:00Z",
    "note": "as good as new",
}
KINDS = {"area": "FP64", "town": "BYTES", "garden": "BOOL", "built": "BYTES", "note": "BYTES"}
"""The Open Inference Protocol's types of the columns of a house."""
DTYPES = {"FP64": float, "INT64": np.int64, "BOOL": bool, "BYTES": object}
HOUSES = {"area": "Numeric", "town": "Categorical", "garden": "Boolean", "built": "Datetime", "note": "Text"}
SUMS = {"a": "Numeric", "b": "Numeric", "c": "Numeric"}
MEMBERS = ("Linear", "LightGBM")
"""The families of an ensemble."""
ALONE, THREE_TO_ONE = Weighted([1.0]), Weighted([0.75, 0.25])


def houses(rows: int = 200) -> tuple[pd.DataFrame, Array]:
    """Rows of columns of all types, and of which of three classes they are."""
    rng = np.random.default_rng(0)
    area = rng.uniform(20, 200, rows)
    frame = pd.DataFrame(
        {
            "area": area,
            "town": rng.choice(["Soria", "Teruel", "Zamora"], rows),
            "garden": rng.choice([True, False], rows),
            "built": pd.date_range("1990-01-01", periods=rows, freq="37D").as_unit("us"),
            "note": rng.choice(["as good as new", "needs some paint"], rows),
        }
    )
    return frame, np.digitize(area, [60, 120])


def sums(rows: int = 200) -> tuple[pd.DataFrame, Array]:
    """Rows of three numbers, and 3 a + 2 b + c."""
    numbers = np.random.default_rng(0).normal(size=(rows, 3))
    return pd.DataFrame(numbers, columns=list("abc")), numbers @ [3.0, 2.0, 1.0]


def a_classifier(folder: Path, family: str = "LightGBM", names: Sequence[str] = ("low", "mid", "high")) -> str:
    """Export a model of the houses' class; its digest."""
    frame, target = houses()
    return exported(folder, frame, target, HOUSES, [family], names, Uncertainty(doubt=0.9))


def a_regressor(folder: Path, family: str = "Linear") -> str:
    """Export a model of the sums, which are right within 0.5; its digest."""
    frame, target = sums()
    return exported(folder, frame, target, SUMS, [family], (), Uncertainty(half_width=0.5))


def an_ensemble_of_classes(folder: Path, combination: Combination = THREE_TO_ONE) -> str:
    """Export two models of the houses' class as one; its digest."""
    frame, target = houses()
    return exported(folder, frame, target, HOUSES, MEMBERS, ("low", "mid", "high"), Uncertainty(), combination)


def an_ensemble_of_numbers(folder: Path, combination: Combination = THREE_TO_ONE) -> str:
    """Export two models of the sums as one; its digest."""
    frame, target = sums()
    return exported(folder, frame, target, SUMS, MEMBERS, (), Uncertainty(half_width=0.5), combination)


def exported(
    folder: Path,
    frame: pd.DataFrame,
    target: Array,
    types: Mapping[str, str],
    families: Sequence[str],
    classes: Sequence[str],
    uncertainty: Uncertainty,
    combination: Combination = ALONE,
    rounds: int = 20,
    images: LearnedImages | None = None,
) -> str:
    """Fit families to a table and export them, as the artifacts of a registered version have it; the digest."""
    metric = "LogLoss" if classes else "RMSE"
    columns = from_table(frame, types)
    fitted, plain = pipeline.fit(columns, types, target, len(classes), seed=0)
    for name in families:
        family = FAMILIES[name]
        rows = Rows(fitted.view(plain, family.format.view), target)
        model = family.fit(Order(rows, len(classes), metric, family.default, seed=0, threads=1, rounds=rounds))
        member = folder / "fitted" / name
        member.mkdir(parents=True)
        fitted.save(member / "features.json")
        model.save(member / f"model{family.format.suffix}")
    problem = Problem("Classification" if classes else "Regression", metric, tuple(classes))
    recipe = Recipe("model", problem, tuple(families), tuple(families), combination, uncertainty)
    export.write(recipe, folder / "fitted", reference(columns, types), folder / "model" / FILES, images)
    return digest(folder / "model" / FILES)
