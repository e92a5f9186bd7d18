"""The trials of a TuningJob in a cluster, as MLflow has them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from afina_api.objective import Objective
from afina_jobs.results.cluster import Json, objectives_of, record_of, space_of, trial_of
from afina_jobs.results.record import NoRecordError, Record
from afina_jobs.search.population import ORIGIN, Origin
from afina_jobs.search.space import Distribution
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON
from afina_jobs.study.retries import RETRIES
from afina_jobs.tracking.runs import (
    MEMBER_TAG,
    MESSAGE_TAG,
    PARENT_TAG,
    REASON_TAG,
    RETRIES_TAG,
    STATE_TAG,
    TRIAL_TAG,
    trial_runs,
)


def from_mlflow(job: Json, tracking_uri: str) -> Record:
    """All trials of the job that have ended, as MLflow has them.

    Args:
        job: the TuningJob, whose status says which runs are its own.
        tracking_uri: of the server.

    Raises:
        NoRecordError: the server does not answer, or does not know the job.
    """
    where = job["status"]["tracking"]
    try:
        runs = list(trial_runs(MlflowClient(tracking_uri), where["experimentId"], where["runId"]))
    except MlflowException as error:
        raise NoRecordError(f"MLflow at {tracking_uri} does not tell: {error}") from error
    return record_of(job, trials_of(runs, objectives_of(job), space_of(job)))


def trials_of(
    runs: Iterable[Run], objectives: Sequence[Objective], space: Mapping[str, Distribution]
) -> list[FrozenTrial]:
    """The trials that runs tell of, by number; a run that is still being written is left out."""
    trials = {int(run.data.tags[TRIAL_TAG]): _of_run(run, objectives, space) for run in runs if run.info.end_time}
    return [trials[number] for number in sorted(trials)]  # a run may be there twice for a moment


def _of_run(run: Run, objectives: Sequence[Objective], space: Mapping[str, Distribution]) -> FrozenTrial:
    tags, metrics = run.data.tags, run.data.metrics
    state = TrialState[tags[STATE_TAG]]
    values = [metrics[objective.metric] for objective in objectives] if state == TrialState.COMPLETE else None
    told = {REASON: tags.get(REASON_TAG), MESSAGE: tags.get(MESSAGE_TAG)}
    attrs: Json = {name: text for name, text in told.items() if text}
    if RETRIES_TAG in tags:
        attrs[RETRIES] = json.loads(tags[RETRIES_TAG])
    if values and len(metrics) > len(values):
        attrs[METRICS] = dict(metrics)
    if member := tags.get(MEMBER_TAG):
        parent = tags[PARENT_TAG]
        attrs[ORIGIN] = Origin(int(member), int(parent) if parent else None).as_attribute()
    params = {name: _value(text, space[name]) for name, text in run.data.params.items() if name in space}
    times = _moment(run.info.start_time), _moment(run.info.end_time)
    return trial_of(int(tags[TRIAL_TAG]), state, values, params, space, attrs, times)


def _value(text: str, found: Distribution) -> Any:
    """A parameter's value, of which MLflow keeps the text."""
    if isinstance(found, CategoricalDistribution):
        return next(choice for choice in found.choices if str(choice) == text)
    return found.to_external_repr(float(text))


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000)  # noqa: DTZ006 - Optuna's are naive
