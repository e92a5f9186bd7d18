"""What MLflow lacks of a study. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class KnownRun:
    """A trial's run, as MLflow has it."""

    run_id: str
    trial: int
    complete: bool
    """Whether all was written: the run's status is set last."""


@dataclass(frozen=True)
class Plan:
    """What to do to make MLflow say what the study says."""

    write: Sequence[tuple[FrozenTrial, str | None]]
    """Trials to write, each into the run that was begun for it, if one was."""
    delete: Sequence[str]
    """Runs that are there twice: the reply to their creation was lost."""


def plan(trials: Sequence[FrozenTrial], runs: Sequence[KnownRun]) -> Plan:
    """Compare the trials that have ended with the runs there are."""
    kept: dict[int, KnownRun] = {}
    for run in sorted(runs, key=lambda run: (not run.complete, run.run_id)):
        kept.setdefault(run.trial, run)
    delete = [run.run_id for run in runs if kept[run.trial] is not run]
    write = [(trial, _run_id(kept, trial)) for trial in trials if trial.state.is_finished() and not _done(kept, trial)]
    return Plan(write, delete)


def _run_id(kept: Mapping[int, KnownRun], trial: FrozenTrial) -> str | None:
    run = kept.get(trial.number)
    return run.run_id if run else None


def _done(kept: Mapping[int, KnownRun], trial: FrozenTrial) -> bool:
    run = kept.get(trial.number)
    return run is not None and run.complete
