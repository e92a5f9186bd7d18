"""What models learn from, as every process of the job sees it: columns, target and splits.

The driver settles it once and writes it down; its workers, and a driver that comes after a death, read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from afina_api.automljob import AutoMLJobSpec
from afina_api.reasons import AutoMLReason
from afina_jobs.automl.features.tables import from_table
from afina_jobs.automl.folds import Splits, copies_of, split
from afina_jobs.automl.leakage.findings import Finding, blocking, find_leaks
from afina_jobs.automl.problem import (
    CannotLearnError,
    Problem,
    Table,
    encode,
    read_table,
    require_columns,
    settle,
)
from afina_models.arrays import Array
from afina_models.columns import Columns
from afina_models.images.learned import LearnedImages

_SETTLED = "settled.json"
_ROWS = "rows.npz"


@dataclass(frozen=True)
class Settled:
    """What all processes agree on, but the rows."""

    dataset: str
    """Folder of the Dataset's volume."""
    digest: str
    """The Dataset's."""
    target: str
    types: Mapping[str, str]
    """The columns that models see."""
    problem: Problem
    seed: int
    threads: int
    group_column: str | None = None
    time_column: str | None = None
    images: LearnedImages | None = None
    """Where columns were measured of images."""


@dataclass(frozen=True)
class Data:
    """The rows with a target."""

    settled: Settled
    frame: pd.DataFrame
    target: Array
    groups: Array | None
    """Codes of the group's column."""
    splits: Splits

    def columns(self, rows: Array) -> Columns:
        """The columns that models see, of some rows."""
        return from_table(self.frame.iloc[rows], self.settled.types)


def settle_data(
    spec: AutoMLJobSpec, dataset: Path, folder: Path, threads: int
) -> tuple[Data, Table, tuple[Finding, ...]]:
    """Read the Dataset, settle the task, look for leaks, split the rows, and write down what was settled.

    Raises:
        CannotLearnError: there is nothing to learn from, or a column leaks.
    """
    table = read_table(dataset)
    _require_same_data(table, folder)
    require_columns(table, spec)
    frame = _usable(table.frame, spec)
    if frame.empty:
        raise CannotLearnError(AutoMLReason.TARGET_UNUSABLE, f"{spec.target!r} is missing in every row")
    problem = settle(frame[spec.target], table.types[spec.target], spec.task, spec.metric)
    validation = spec.validation
    hidden = {spec.target, validation.group_column, table.image_column, *spec.features.exclude}
    types = {name: kind for name, kind in table.types.items() if name not in hidden}
    if not types:
        raise CannotLearnError(AutoMLReason.INVALID_SPEC, "no column is left to learn from: see features.exclude")
    target = encode(frame[spec.target], problem)
    suspects = {name: kind for name, kind in types.items() if name not in table.image_features}
    found = tuple(find_leaks(frame, suspects, target, problem, validation.time_column, spec.seed))
    _refuse(blocking(found, spec.features.allow_leaks))
    copies = copies_of(frame[[*types]], frame[spec.target])
    splits = split(frame, target if problem.classes else None, validation, copies, spec.seed)
    settled = Settled(
        dataset=str(dataset),
        digest=table.digest,
        target=spec.target,
        types=types,
        problem=problem,
        seed=spec.seed,
        threads=threads,
        group_column=validation.group_column,
        time_column=validation.time_column,
        images=table.images and table.images.within(types),
    )
    _write(settled, splits, folder)
    return _data(settled, frame, target, splits), table, found


def _require_same_data(table: Table, folder: Path) -> None:
    """Models that were judged on other rows cannot be compared, nor mixed."""
    if not (folder / _SETTLED).exists():
        return
    before = json.loads((folder / _SETTLED).read_text())["digest"]
    if before != table.digest:
        message = f"the job was begun with the data {before}, and the Dataset holds {table.digest}: make a new job"
        raise CannotLearnError(AutoMLReason.DATASET_UNREADABLE, message)


def load_data(folder: Path) -> Data:
    """What `settle_data` wrote down, with the rows read again."""
    state = json.loads((folder / _SETTLED).read_text())
    problem, images = state.pop("problem"), state.pop("images", None)
    settled = Settled(
        **state,
        problem=Problem(**problem | {"classes": tuple(problem["classes"])}),
        images=images and LearnedImages(**images),
    )
    frame = read_table(Path(settled.dataset)).frame.dropna(subset=_needed(settled.target, settled.time_column))
    with np.load(folder / _ROWS, allow_pickle=False) as rows:
        count = (len(rows.files) - 2) // 2
        folds = tuple((rows[f"train{fold}"], rows[f"test{fold}"]) for fold in range(count))
        splits = Splits(rows["development"], rows["holdout"], folds)
    return _data(settled, frame.reset_index(drop=True), encode(frame[settled.target], settled.problem), splits)


def _usable(frame: pd.DataFrame, spec: AutoMLJobSpec) -> pd.DataFrame:
    return frame.dropna(subset=_needed(spec.target, spec.validation.time_column)).reset_index(drop=True)


def _needed(target: str, time_column: str | None) -> list[str]:
    return [target, time_column] if time_column else [target]


def _refuse(leaks: list[Finding]) -> None:
    if leaks:
        text = "; ".join(map(str, leaks))
        message = f"these columns tell what a model cannot know: {text}. Exclude them (features.exclude)"
        raise CannotLearnError(AutoMLReason.LEAKAGE_FOUND, f"{message}, or allow them (features.allowLeaks)")


def _write(settled: Settled, splits: Splits, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folds = {f"train{fold}": train for fold, (train, _) in enumerate(splits.folds)}
    folds |= {f"test{fold}": test for fold, (_, test) in enumerate(splits.folds)}
    np.savez_compressed(folder / _ROWS, development=splits.development, holdout=splits.holdout, **folds)  # type: ignore[arg-type]
    (folder / _SETTLED).write_text(json.dumps(asdict(settled)))


def _data(settled: Settled, frame: pd.DataFrame, target: Array, splits: Splits) -> Data:
    groups = None
    if settled.group_column:
        groups = np.asarray(pd.factorize(frame[settled.group_column], sort=True, use_na_sentinel=False)[0])
    return Data(settled, frame, target, groups, splits)
