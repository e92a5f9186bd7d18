"""The trials of a study as a table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from afina_api.tuningjob import TuningJobSpec
from afina_jobs.progress import short
from afina_jobs.search.population import origin_of
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON
from afina_jobs.study.retries import in_words, retries_of

_WIDEST = 60
"""Characters of a cell that people read."""


@dataclass(frozen=True)
class Columns:
    """What a table tells of each trial, beside its state and why it failed."""

    objectives: Sequence[str]
    parameters: Sequence[str]
    metrics: Sequence[str]
    population: bool
    """Whether the trials are those of a population: then each has a member, and most have a parent."""

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], objectives: Sequence[str], parameters: Sequence[str] = ()) -> "Columns":
        """The objectives, the parameters, in that order before all others, and the other metrics of these trials."""
        seen = dict.fromkeys([*parameters, *(name for trial in trials for name in trial.params)])
        others = {name for trial in trials for name in trial.user_attrs.get(METRICS, {})} - set(objectives)
        return cls(objectives, list(seen), sorted(others), any(map(origin_of, trials)))

    @property
    def names(self) -> list[str]:
        """The header."""
        whose = ["member", "parent"] if self.population else []
        told = [*self.objectives, *self.parameters, *self.metrics]
        return ["trial", *whose, "state", "seconds", *told, "reason", "message", "retries"]

    def row(self, trial: FrozenTrial) -> list[object]:
        """A trial's cells; None where it has nothing to tell."""
        found = _as_object(trial, self.objectives)
        return [
            found["trial"],
            *([found["member"], found["parent"]] if self.population else ()),
            found["state"],
            found["seconds"],
            *(found["values"].get(name) for name in self.objectives),
            *(found["params"].get(name) for name in self.parameters),
            *(found["metrics"].get(name) for name in self.metrics),
            found["reason"],
            found["message"],
            in_words(found["retries"]) or None,
        ]


def write_table(trials: Sequence[FrozenTrial], spec: TuningJobSpec, file: Path) -> None:
    """Write a row a trial, as CSV: its state, values, parameters, other metrics, and why it failed."""
    objectives = [objective.metric for objective in spec.objectives]
    file.write_text(as_csv(trials, Columns.of(trials, objectives, [one.name for one in spec.parameters])), newline="")


def as_csv(trials: Sequence[FrozenTrial], columns: Columns) -> str:
    """The table as CSV, its lines ended as RFC 4180 says."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(columns.names)
    writer.writerows(map(columns.row, trials))
    return stream.getvalue()


def as_objects(trials: Sequence[FrozenTrial], columns: Columns) -> list[dict[str, Any]]:
    """The table as JSON, an object a trial; what is not known is null."""
    return [_as_object(trial, columns.objectives) for trial in trials]


def as_text(trials: Sequence[FrozenTrial], columns: Columns) -> str:
    """The table for people, in columns that are as wide as they need."""
    rows = [columns.names, *([_cell(value) for value in columns.row(trial)] for trial in trials)]
    kept = [index for index in range(len(rows[0])) if not trials or any(row[index] for row in rows[1:])]
    widths = {index: max(len(row[index]) for row in rows) for index in kept}
    return "\n".join("  ".join(row[index].ljust(widths[index]) for index in kept).rstrip() for row in rows)


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(short(value).split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _as_object(trial: FrozenTrial, objectives: Sequence[str]) -> dict[str, Any]:
    values, origin = trial.values or [], origin_of(trial)
    return {
        "trial": trial.number,
        "member": origin.member if origin else None,
        "parent": origin.parent if origin else None,
        "state": trial.state.name.lower(),
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
        "values": dict(zip(objectives, values, strict=False)),
        "params": trial.params,
        "metrics": {k: v for k, v in trial.user_attrs.get(METRICS, {}).items() if k not in objectives},
        "reason": trial.user_attrs.get(REASON),
        "message": trial.user_attrs.get(MESSAGE),
        "retries": retries_of(trial.user_attrs),
    }
