"""A job's runs in MLflow: one of its own, and one nested in it for each trial."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import FrozenTrial, TrialState

from afina_api.base import Tracking
from afina_api.tuningjob import TuningJob
from afina_jobs.search.population import origin_of
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON
from afina_jobs.study.reports import reports_of
from afina_jobs.study.retries import retries_of
from afina_jobs.study.standing import best, front
from afina_jobs.tracking.plan import KnownRun, plan

STUDY_TAG = "afina.study"
TRIAL_TAG = "afina.trial"
STATE_TAG = "afina.state"
REASON_TAG = "afina.reason"
MESSAGE_TAG = "afina.message"
MEMBER_TAG = "afina.member"
PARENT_TAG = "afina.parent"
RETRIES_TAG = "afina.retries"
"""JSON: how often the trial was run again, by the reason."""
_STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.FAIL: "FAILED", TrialState.PRUNED: "KILLED"}
_BATCH = 500
_PAGE = 1000


class Runs:
    """The runs of one job. Every method may be repeated, by another process too."""

    def __init__(self, job: TuningJob, identity: str, seed: int) -> None:
        """Find the job's runs, or begin with them.

        Raises:
            MlflowException: the server did not answer, or refused. So do all other methods.
        """
        self._client = MlflowClient()
        self._objectives = job.spec.objectives
        self._experiment = self._find_experiment(experiment_name(job.metadata.namespace, job.metadata.name))
        self._parent = self._find_parent(job, identity, seed)
        self._known = [_known(run) for run in trial_runs(self._client, self._experiment, self._parent)]

    @property
    def _metrics(self) -> list[str]:
        return [objective.metric for objective in self._objectives]

    @property
    def tracking(self) -> Tracking:
        """Where the runs are."""
        return Tracking(experiment_id=self._experiment, run_id=self._parent)

    def write(self, trials: Sequence[FrozenTrial]) -> None:
        """Write what is missing of these trials."""
        todo = plan(trials, self._known)
        for twin in todo.delete:
            self._client.delete_run(twin)
        for trial, run_id in todo.write:
            written = run_id or self._begin(trial)
            self._fill(written, trial)
            self._known = [run for run in self._known if run.trial != trial.number]
            self._known.append(KnownRun(written, trial.number, complete=True))

    def close(self, trials: Sequence[FrozenTrial], artifacts: Sequence[Path], *, succeeded: bool) -> None:
        """Write what the job has come to."""
        for leader in best(trials, self._objectives):
            moment = _millis(leader.datetime_complete)
            found = [Metric(name, value, moment, 0) for name, value in zip(self._metrics, leader.values, strict=True)]
            self._client.log_batch(self._parent, metrics=found)
            self._client.set_tag(self._parent, "afina.best", str(leader.number))
        if len(self._objectives) > 1:
            self._client.set_tag(self._parent, "afina.frontSize", str(len(front(trials, self._objectives))))
        for path in artifacts:
            self._client.log_artifact(self._parent, str(path))
        self._client.set_terminated(self._parent, "FINISHED" if succeeded else "FAILED")

    def _find_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            created: str = self._client.create_experiment(name)
            return created
        if found.lifecycle_stage != "active":
            self._client.restore_experiment(found.experiment_id)
        known: str = found.experiment_id
        return known

    def _find_parent(self, job: TuningJob, identity: str, seed: int) -> str:
        for known in _search(self._client, self._experiment, f"tags.`{STUDY_TAG}` = '{identity}'"):
            found: str = known.info.run_id
            return found
        tags = {STUDY_TAG: identity, "afina.uid": job.metadata.uid}
        run = self._client.create_run(self._experiment, tags=tags, run_name=job.metadata.name)
        params = {
            "algorithm": job.spec.algorithm.name,
            "seed": str(seed),
            "metric": ",".join(self._metrics),
            "goal": ",".join(objective.goal for objective in self._objectives),
        }
        self._client.log_batch(run.info.run_id, params=[Param(name, value) for name, value in params.items()])
        created: str = run.info.run_id
        return created

    def _begin(self, trial: FrozenTrial) -> str:
        tags = {
            MLFLOW_PARENT_RUN_ID: self._parent,
            TRIAL_TAG: str(trial.number),
            STATE_TAG: trial.state.name,
            REASON_TAG: trial.user_attrs.get(REASON, ""),
            MESSAGE_TAG: trial.user_attrs.get(MESSAGE, ""),
        }
        if origin := origin_of(trial):
            tags[MEMBER_TAG] = str(origin.member)
            tags[PARENT_TAG] = "" if origin.parent is None else str(origin.parent)
        if retries := retries_of(trial.user_attrs):
            tags[RETRIES_TAG] = json.dumps(retries)
        name = f"trial-{trial.number}"
        run = self._client.create_run(self._experiment, _millis(trial.datetime_start), tags, name)
        created: str = run.info.run_id
        return created

    def _fill(self, run_id: str, trial: FrozenTrial) -> None:
        """Write a trial's run; the times are the trial's, so that what is written twice is the same."""
        metrics = _metrics(trial, self._metrics)
        params = [Param(name, str(value)) for name, value in trial.params.items()]
        self._client.log_batch(run_id, metrics[:_BATCH], params)
        for start in range(_BATCH, len(metrics), _BATCH):
            self._client.log_batch(run_id, metrics[start : start + _BATCH])
        self._client.set_terminated(run_id, _STATUS[trial.state], _millis(trial.datetime_complete))


def experiment_name(namespace: str | None, name: str) -> str:
    """The experiment of a job."""
    return f"{namespace}/{name}"


def trial_runs(client: MlflowClient, experiment: str, parent: str) -> Iterator[Run]:
    """The runs of a job's trials.

    Args:
        client: of the server.
        experiment: of the job.
        parent: the job's own run.

    Raises:
        MlflowException: the server did not answer, or refused.
    """
    return _search(client, experiment, f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'")


def _search(client: MlflowClient, experiment: str, filter_string: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment], filter_string, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token or None
        if not token:
            return


def _metrics(trial: FrozenTrial, names: Sequence[str]) -> list[Metric]:
    began, ended = _millis(trial.datetime_start), _millis(trial.datetime_complete)
    reports = reports_of(trial)
    steps = [
        Metric(name, value, began, step)
        for step, values in reports.items()
        for name, value in zip(names, values, strict=True)
    ]
    if trial.state != TrialState.COMPLETE:
        return steps
    final = trial.user_attrs.get(METRICS, {}) | dict(zip(names, trial.values, strict=True))
    return steps + [Metric(name, value, ended, max(reports, default=0)) for name, value in final.items()]


def _known(run: Run) -> KnownRun:
    complete = run.info.status in _STATUS.values()
    return KnownRun(run.info.run_id, int(run.data.tags.get(TRIAL_TAG, -1)), complete)


def _millis(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0
