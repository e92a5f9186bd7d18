"""What was found, and all checks together."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from afina_jobs.automl.leakage.copies import target_score
from afina_jobs.automl.leakage.future import knows_later_target, later_than_row
from afina_jobs.automl.leakage.identifiers import identifies
from afina_jobs.automl.problem import Problem
from afina_models.arrays import Array

MAX_ROWS = 20_000
"""Rows that the checks look at; a leak shows in far fewer."""


@dataclass(frozen=True)
class Finding:
    """A column that looks like a leak."""

    column: str
    kind: str
    """TargetCopy, Identifier, FutureTime or FutureTarget."""
    evidence: str

    def __str__(self) -> str:
        return f"{self.column!r} ({self.kind}): {self.evidence}"


def find_leaks(
    frame: pd.DataFrame, types: dict[str, str], target: Array, problem: Problem, time_column: str | None, seed: int
) -> list[Finding]:
    """Check each column by itself.

    Args:
        frame: the columns that models would see, and the time's.
        types: type of each column that models would see.
        target: encoded.
        problem: the task.
        time_column: name of the column that says when a row became known.
        seed: of the sample and of the folds.
    """
    chosen = frame.sample(min(len(frame), MAX_ROWS), random_state=seed).index if len(frame) > MAX_ROWS else frame.index
    rows = frame.index.get_indexer(chosen)
    found = []
    for name, kind in types.items():
        evidence = _look(frame[name], kind, target, rows, problem, seed)
        if evidence is None and time_column and name != time_column:
            evidence = _look_ahead(frame[name], kind, frame[time_column], target)
        if evidence:
            found.append(Finding(name, *evidence))
    return found


def _look(
    values: pd.Series, kind: str, target: Array, rows: Array, problem: Problem, seed: int
) -> tuple[str, str] | None:
    number = identifies(values, kind)
    if number:
        return "Identifier", number
    copied = target_score(values.iloc[rows], kind, target[rows], problem, seed)
    return ("TargetCopy", copied) if copied else None


def _look_ahead(values: pd.Series, kind: str, moments: pd.Series, target: Array) -> tuple[str, str] | None:
    if kind == "Datetime":
        later = later_than_row(values, moments)
        return ("FutureTime", later) if later else None
    if kind != "Numeric":
        return None
    ahead = knows_later_target(values, moments, target)
    return ("FutureTarget", ahead) if ahead else None


def blocking(found: Sequence[Finding], allowed: Sequence[str]) -> list[Finding]:
    """Those that nobody has allowed."""
    return [finding for finding in found if finding.column not in allowed]
