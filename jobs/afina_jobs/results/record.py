"""The trials of a search, wherever they were found, and the study that they make."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from afina_api.objective import Objective
from afina_jobs.study.opening import WEIGHTS
from afina_jobs.study.storage import ForeignTablesError, open_storage, sqlite_url


@dataclass(frozen=True)
class Record:
    """What is known of a search."""

    title: str
    objectives: Sequence[Objective]
    trials: Sequence[FrozenTrial]
    """By number."""
    missing: str = ""
    """What is not known, for people."""


class NoRecordError(Exception):
    """There is nothing to read; the message says why."""


def read_folder(folder: Path) -> Record:
    """The last study of a folder that `afina run` or a driver has left.

    Raises:
        NoRecordError: there is none.
    """
    if not (folder / "study.db").exists():
        raise NoRecordError(f"{folder} has no study.db: give the folder that `afina run` has made")
    try:
        storage = open_storage(sqlite_url(folder.resolve()))
        try:
            studies = storage.get_all_studies()
            if not studies:
                raise NoRecordError(f"{folder / 'study.db'} holds no study yet")
            study = optuna.load_study(study_name=studies[-1].study_name, storage=storage)
            return Record(study.study_name, _objectives(study), study.get_trials())
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (ForeignTablesError, SQLAlchemyError, StorageInternalError) as error:
        raise NoRecordError(f"{folder / 'study.db'} cannot be read: {error}") from error


def _objectives(study: Study) -> list[Objective]:
    """What a study says of them; a study from before it told its metrics has a value."""
    names = study.metric_names or ["value"]
    weights = study.user_attrs.get(WEIGHTS, [1.0] * len(names))
    return [
        Objective(metric=name, goal="Minimize" if direction.name == "MINIMIZE" else "Maximize", weight=weight)
        for name, direction, weight in zip(names, study.directions, weights, strict=True)
    ]


def as_study(record: Record) -> Study:
    """The trials as a study in memory, under their own numbers: those that are not known run there for ever.

    Optuna wants times of all that has ended; those of the trials that a status keeps are made up.
    """
    study = optuna.create_study(directions=[StudyDirection[one.goal.upper()] for one in record.objectives])
    known = {trial.number: trial for trial in record.trials}
    for number in range(max(known, default=-1) + 1):
        trial = known.get(number) or create_trial(state=TrialState.RUNNING)
        if trial.datetime_start is None:
            trial = copy.copy(trial)
            trial.datetime_start = trial.datetime_complete = datetime.now()  # noqa: DTZ005 - Optuna's are naive
        study.add_trial(trial)
    return study
