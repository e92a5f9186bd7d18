"""Earlier searches, as MLflow has them."""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from afina_api.beginnings import EarlierSearch
from afina_api.constraints import Constraint
from afina_api.objective import Objective
from afina_api.tuningjob import TuningJob
from afina_jobs.search.constraints import violations
from afina_jobs.search.past import Past
from afina_jobs.tracking.patience import set_patience
from afina_jobs.tracking.runs import STUDY_TAG, experiment_name

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0
"""So long a server that does not answer is asked again, before the search begins without."""
MOST_RUNS = 300
"""The newest runs of an experiment that are read."""


class NoEarlierSearchError(Exception):
    """There is no such search; the message says which."""


def earlier_searches(job: TuningJob) -> list[Past]:
    """The searches that a job names; of a TuningJob that was there several times, each by itself.

    Parameters are text, as MLflow keeps them.

    Raises:
        NoEarlierSearchError: one is not there, or has no trial with the objectives' metrics.
    """
    set_patience()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return [past for source in job.spec.warm_start_from for past in _read(source, job)]
        except MlflowException as error:
            if time.monotonic() > deadline:
                log.warning("MLflow does not answer: the search begins without the earlier ones: %s", error)
                return []
            time.sleep(1.0)


def _read(source: EarlierSearch, job: TuningJob) -> list[Past]:
    client = MlflowClient()
    reference = source.tuning_job_ref
    name = experiment_name(job.metadata.namespace, reference.name) if reference else str(source.mlflow_experiment)
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id], max_results=MOST_RUNS) if experiment else []
    searches = defaultdict(list)
    for run in reversed(runs):
        if STUDY_TAG in run.data.tags:
            continue  # a job's own, which has its best values, too
        if all(_is_told(run, objective) for objective in job.spec.objectives) and run.data.params:
            searches[run.data.tags.get(MLFLOW_PARENT_RUN_ID, "")].append(run)
    if not searches:
        metrics = " and ".join(objective.metric for objective in job.spec.objectives)
        raise NoEarlierSearchError(
            f"spec.warmStartFrom: MLflow has no experiment {name!r} with runs that tell {metrics}"
        )
    return [_past(found, job) for found in searches.values()]


def _is_told(run: Run, objective: Objective) -> bool:
    return run.info.status == "FINISHED" and math.isfinite(run.data.metrics.get(objective.metric, math.nan))


def _past(runs: Sequence[Run], job: TuningJob) -> Past:
    values = [[one.sign * run.data.metrics[one.metric] for one in job.spec.objectives] for run in runs]
    broken = [_is_broken(run.data.metrics, job.spec.constraints) for run in runs]
    return Past.judged([run.data.params for run in runs], values, broken)


def _is_broken(metrics: Mapping[str, float], constraints: Sequence[Constraint]) -> bool:
    """Whether metrics break a constraint of this job; one of what the earlier search did not tell is kept."""
    limits = [constraint for constraint in constraints if constraint.metric in metrics]
    return any(violation > 0 for _, violation in violations(limits, metrics))
