"""What is to be learned: the data of a Dataset's volume, the task, the metric and the encoded target."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from afina_api.automljob import TASK_METRICS, AutoMLJobSpec
from afina_api.reasons import AutoMLReason
from afina_models.arrays import Array
from afina_models.images.learned import LearnedImages

MAX_CLASSES = 20
"""A numeric target of whole numbers with at most so many distinct values is taken for classes ..."""
MIN_ROWS_PER_CLASS = 10
"""... when each of them comes so often on average. A target of two values is always one of classes."""
MAX_RELEVANCE = 30
"""Gains are 2 ** relevance - 1."""
_CLASS_LIMIT = 1000
_DEFAULT_METRIC = {"Classification": "LogLoss", "Regression": "RMSE", "Ranking": "NDCG"}


class CannotLearnError(Exception):
    """There is nothing to learn from; `reason` is the word for it and the message says what to do."""

    def __init__(self, reason: AutoMLReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Table:
    """The accepted rows of a Dataset."""

    frame: pd.DataFrame
    types: Mapping[str, str]
    """Type of each column, as the Dataset has it."""
    digest: str
    statistics: list[dict[str, Any]]
    """What the Dataset counted of each column: the reference for drift."""
    image_column: str | None = None
    """The column that names each row's image, if there are images: no model learns from names."""
    image_features: frozenset[str] = frozenset()
    """Columns that were measured of the images: however well one predicts, it is no leak."""
    images: LearnedImages | None = None
    """How they were measured."""


@dataclass(frozen=True)
class Problem:
    """The task, settled."""

    task: str
    metric: str
    classes: tuple[str, ...]
    """Names of the classes, in the order of their codes; none for numbers."""


def read_table(folder: Path) -> Table:
    """Read the volume of a Dataset.

    Raises:
        CannotLearnError: it is not the volume of a Dataset that is Ready.
    """
    try:
        about = json.loads((folder / "dataset.json").read_text())
        frame = pd.read_parquet(folder / "data.parquet")
        types = {column["name"]: column["type"] for column in about["columns"]}
        images = about.get("images") or {"column": None, "features": []}
        features = frozenset(images["features"])
        measured = LearnedImages(**images["measured"]) if "measured" in images else None
        return Table(frame, types, about["digest"], about["columns"], images["column"], features, measured)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"the volume of the Dataset cannot be read: {error}; see whether the Dataset is Ready"
        raise CannotLearnError(AutoMLReason.DATASET_UNREADABLE, message) from error


def require_columns(table: Table, spec: AutoMLJobSpec) -> None:
    """Make sure that every column which the spec names is there.

    Raises:
        CannotLearnError: one is not; the message names it.
    """
    there = f"the Dataset has {', '.join(map(repr, list(table.types)[:20]))}"
    if spec.target not in table.types:
        raise CannotLearnError(AutoMLReason.TARGET_MISSING, f"there is no column {spec.target!r}: {there}")
    validation = spec.validation
    for field, name in (("groupColumn", validation.group_column), ("timeColumn", validation.time_column)):
        if name is not None and name not in table.types:
            raise CannotLearnError(
                AutoMLReason.INVALID_SPEC, f"validation.{field}: there is no column {name!r}: {there}"
            )
    for name in (*spec.features.exclude, *spec.features.allow_leaks):
        if name not in table.types:
            raise CannotLearnError(AutoMLReason.INVALID_SPEC, f"features: there is no column {name!r}: {there}")


def settle(target: pd.Series, column_type: str, task: str, metric: str) -> Problem:
    """The task and the metric, where the spec leaves them to us.

    Args:
        target: the target's values, none missing.
        column_type: its type in the Dataset.
        task: of the spec; Auto follows the metric, then the target.
        metric: of the spec.

    Raises:
        CannotLearnError: the target does not suit the task.
    """
    if task == "Auto" and metric != "Auto":
        task = next(known for known, metrics in TASK_METRICS.items() if metric in metrics)
    if task == "Auto":
        task = "Classification" if _has_classes(target, column_type) else "Regression"
    numeric = column_type in ("Numeric", "Boolean")
    if task != "Classification" and not numeric:
        raise CannotLearnError(
            AutoMLReason.TARGET_UNUSABLE, f"{target.name!r} is {column_type}: {task} needs a numeric target"
        )
    if task == "Ranking" and not _is_relevance(target):
        message = f"{target.name!r} is no relevance: Ranking needs whole numbers from 0 to {MAX_RELEVANCE}"
        raise CannotLearnError(AutoMLReason.TARGET_UNUSABLE, message)
    found = _class_names(target) if task == "Classification" else ()
    distinct = len(found) if found else target.nunique()
    if distinct < 2:
        raise CannotLearnError(AutoMLReason.TARGET_UNUSABLE, f"{target.name!r} has one value only: nothing to learn")
    if len(found) > min(_CLASS_LIMIT, len(target) // 2):
        message = f"{target.name!r} has {len(found)} classes in {len(target)} rows: too few rows for each"
        raise CannotLearnError(AutoMLReason.TARGET_UNUSABLE, message)
    return Problem(task, _DEFAULT_METRIC[task] if metric == "Auto" else metric, found)


def encode(target: pd.Series, problem: Problem) -> Array:
    """The target as codes of the classes, or as numbers."""
    if not problem.classes:
        return np.asarray(target, dtype=float)
    codes = {name: code for code, name in enumerate(problem.classes)}
    return np.array([codes[_class_name(value)] for value in target], dtype=np.int64)


def _is_relevance(target: pd.Series) -> bool:
    values = target.to_numpy(dtype=float)
    return bool(np.all(np.mod(values, 1) == 0) and values.min() >= 0 and values.max() <= MAX_RELEVANCE)


def _has_classes(target: pd.Series, column_type: str) -> bool:
    if column_type != "Numeric":
        return True
    distinct = target.nunique()
    whole = bool(np.all(np.mod(target.to_numpy(dtype=float), 1) == 0))
    return distinct == 2 or (whole and distinct <= MAX_CLASSES and len(target) >= distinct * MIN_ROWS_PER_CLASS)


def _class_names(target: pd.Series) -> tuple[str, ...]:
    return tuple(_class_name(value) for value in sorted(target.unique()))


def _class_name(value: Any) -> str:
    """Numbers that are whole have no point, whatever the column's type."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
