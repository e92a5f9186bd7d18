"""The driver's part of a TuningJob's status, from its trials. Pure."""

import json
import math
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from afina_api.base import Tracking, as_json, drivers_part
from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_api.parameters import ParameterValue
from afina_api.tuningstatus import (
    MAX_SUMMARY,
    BestTrial,
    ParameterImportance,
    ParetoFront,
    Summary,
    TrialFailure,
    TuningJobStatus,
    WarmStart,
)
from afina_jobs.contract import text
from afina_jobs.study.forecast import forecast
from afina_jobs.study.ledger import MESSAGE, REASON
from afina_jobs.study.standing import best, count, ended, front, in_words, last_failure

MAX_BEST = 5
MAX_BEST_BYTES = 32_768
"""Of the list of best trials as JSON: a hundred parameters of long text would fill the object."""


def status(
    trials: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
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
    leaders = best(trials, objectives, MAX_BEST)
    alone = len(objectives) == 1
    failed = last_failure(trials)
    found = TuningJobStatus(
        conditions=[],
        trials=counts.model_copy(update={"running": 0}) if at_rest else counts,
        best=_fitting([_best_trial(trial, objectives) for trial in leaders]),
        front=None if alone else ParetoFront(size=len(front(trials, objectives))),
        importance=list(importance) or None,
        forecast=forecast(trials, objectives[0], budget, combinations) if alone else None,
        warm_start=warm_start,
        last_failure=_failure(failed) if failed else None,
        summary=Summary(
            best=in_words(leaders[0], objectives)[:MAX_SUMMARY] if leaders else "",
            trials=f"{ended(counts)}/{budget.max_trials}",
        ),
        tracking=tracking,
    )
    return drivers_part(found)


def _best_trial(trial: FrozenTrial, objectives: Sequence[Objective]) -> BestTrial:
    params = [ParameterValue(name=name, value=value) for name, value in trial.params.items()]
    values = {one.metric: value for one, value in zip(objectives, trial.values, strict=True)}
    return BestTrial(number=trial.number, values=values, params=params)


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
