"""The driver's part of a TuningJob's status, from its trials. Pure."""

import json
import math
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from afina_api.base import Tracking, as_json, drivers_part
from afina_api.parameters import ParameterValue
from afina_api.tuningjob import (
    BestTrial,
    Budget,
    Objective,
    ParameterImportance,
    Summary,
    TrialFailure,
    TuningJobStatus,
    WarmStart,
)
from afina_jobs.contract import text
from afina_jobs.study.forecast import forecast
from afina_jobs.study.ledger import MESSAGE, REASON
from afina_jobs.study.standing import best, count, ended, last_failure, value_of

MAX_BEST = 5
MAX_BEST_BYTES = 32_768
"""Of the list of best trials as JSON: a hundred parameters of long text would fill the object."""


def status(
    trials: Sequence[FrozenTrial],
    objective: Objective,
    budget: Budget,
    tracking: Tracking | None,
    importance: Sequence[ParameterImportance],
    combinations: float = math.inf,
    warm_start: WarmStart | None = None,
    *,
    at_rest: bool,
) -> dict[str, Any]:
    """The status as JSON. A grid has so many combinations, everything else infinitely many.

    At rest no trial counts as running: the processes have been ended, whatever the storage will resume.
    """
    counts = count(trials)
    leaders = [_best_trial(trial, objective) for trial in best(trials, objective, MAX_BEST)]
    failed = last_failure(trials)
    found = TuningJobStatus(
        conditions=[],
        trials=counts.model_copy(update={"running": 0}) if at_rest else counts,
        best=_fitting(leaders),
        importance=list(importance) or None,
        forecast=forecast(trials, objective, budget, combinations),
        warm_start=warm_start,
        last_failure=_failure(failed) if failed else None,
        summary=Summary(
            best=f"{objective.metric} {leaders[0].values[objective.metric]:.6g}" if leaders else "",
            trials=f"{ended(counts)}/{budget.max_trials}",
        ),
        tracking=tracking,
    )
    return drivers_part(found)


def _best_trial(trial: FrozenTrial, objective: Objective) -> BestTrial:
    params = [ParameterValue(name=name, value=value) for name, value in trial.params.items()]
    return BestTrial(number=trial.number, values={objective.metric: value_of(trial)}, params=params)


def _fitting(leaders: list[BestTrial]) -> list[BestTrial]:
    """As many of the best as the status has room for, and at least one."""
    size = 0
    for index, leader in enumerate(leaders):
        size += len(json.dumps(as_json(leader)))
        if index and size > MAX_BEST_BYTES:
            return leaders[:index]
    return leaders


def _failure(trial: FrozenTrial) -> TrialFailure:
    attrs = trial.user_attrs
    return TrialFailure(number=trial.number, reason=attrs.get(REASON, "Killed"), message=text(attrs.get(MESSAGE, "")))
