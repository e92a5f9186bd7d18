"""The trials of a study as a table."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from afina_api.tuningjob import TuningJobSpec
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON

_BEFORE = ("trial", "state", "seconds")
_AFTER = ("reason", "message")


def write_table(trials: Sequence[FrozenTrial], spec: TuningJobSpec, file: Path) -> None:
    """Write a row a trial, as CSV: its state, value, parameters, other metrics, and why it failed."""
    metric = spec.objectives[0].metric
    names = [parameter.name for parameter in spec.parameters]
    others = sorted({name for trial in trials for name in trial.user_attrs.get(METRICS, {})} - {metric})
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*_BEFORE, metric, *names, *others, *_AFTER])
        writer.writerows(_rows(trials, names, others))


def _rows(trials: Sequence[FrozenTrial], names: Sequence[str], others: Sequence[str]) -> Iterator[list[object]]:
    for trial in trials:
        duration = None if trial.duration is None else trial.duration.total_seconds()
        metrics = trial.user_attrs.get(METRICS, {})
        yield [
            trial.number,
            trial.state.name.lower(),
            duration,
            trial.value,
            *(trial.params.get(name) for name in names),
            *(metrics.get(name) for name in others),
            trial.user_attrs.get(REASON),
            trial.user_attrs.get(MESSAGE),
        ]
