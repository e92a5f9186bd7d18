"""A search in a pod: from the mounted spec to the exit code."""

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from pydantic import ValidationError

from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_jobs.driver import Settings
from afina_jobs.livespec import LiveSpec, read_object
from afina_jobs.objectives.base import Place
from afina_jobs.process.environment import trial_environment
from afina_jobs.report.importance import ImportanceWatch
from afina_jobs.report.pod import STATUS_SECONDS, STOPPED_STATUS_SECONDS, end, has_a_status
from afina_jobs.report.reporter import Reporter
from afina_jobs.report.status import status
from afina_jobs.results.write import write_results
from afina_jobs.session import CannotBeginError, make_engine, open_ledger
from afina_jobs.stopping import Verdict
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import sqlite_url
from afina_jobs.study.thread import StudyThread
from afina_jobs.tracking.mirror import Ending, Mirror

log = logging.getLogger(__name__)

_MLFLOW_SECONDS = 60.0


async def run_in_pod(settings: Settings) -> int:
    """Search, report, and leave the reason in the termination log; the exit code.

    When cancelled, the search is left for the next driver to resume.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        found = await _search(read_object(settings.spec, TuningJob), settings)
    except ValidationError as error:
        found = Verdict(Reason.INVALID_SPEC, str(error))
    except CannotBeginError as error:
        found = error.verdict
    return end(found, settings.termination_log)


async def _search(job: TuningJob, settings: Settings) -> Verdict:
    thread = StudyThread()
    ledger = await open_ledger(job, settings.storage_url or sqlite_url(settings.study), thread)
    log.info("seed %d: set spec.algorithm.seed to it to search the same way again", ledger.seed)
    live = LiveSpec(settings.spec, job.spec)
    mirror = Mirror(job, ledger.identity, ledger.seed) if os.environ.get("MLFLOW_TRACKING_URI") else None
    importance = ImportanceWatch(ledger.study, thread)
    reporter = _reporter(job, live, mirror, importance, ledger)
    listeners = [listener for listener in (mirror, importance, reporter) if listener]
    place = Place(settings.workspace, settings.source, settings.study / "checkpoints")
    env = trial_environment(job.spec.trial)
    sized = _with_room(job, settings.slots)
    engine = make_engine(sized, live, ledger, thread, env, place, listeners, settings.ray_address)
    try:
        found = await engine.run()
        place.forget_checkpoints()
        await importance.finish()
        if reporter:
            reporter.rest()
        artifacts = await thread(write_results, ledger.study, job, settings.study)
        await thread(ledger.close)
        if mirror:
            await mirror.finish(Ending(found.succeeded, artifacts), _MLFLOW_SECONDS)
        if reporter:
            await reporter.finish(STATUS_SECONDS)
    except asyncio.CancelledError:
        if reporter:
            await reporter.finish(STOPPED_STATUS_SECONDS)
        raise
    return found


def _with_room(job: TuningJob, slots: int | None) -> TuningJob:
    """The job with as many slots as the pod has room for: how many of them are used, the live budget says."""
    if slots is None:
        return job
    budget = job.spec.budget.model_copy(update={"parallel_trials": slots})
    return job.model_copy(update={"spec": job.spec.model_copy(update={"budget": budget})})


def _reporter(
    job: TuningJob, live: LiveSpec, mirror: Mirror | None, importance: ImportanceWatch, ledger: Ledger
) -> Reporter | None:
    if not has_a_status(job.metadata):
        log.info("not in a cluster: no status is reported")
        return None

    def make_status(trials: Sequence[FrozenTrial], at_rest: bool) -> dict[str, Any]:
        tracking = mirror.tracking if mirror else None
        return status(
            trials,
            job.spec.objectives,
            live().budget,
            tracking,
            importance.latest,
            ledger.combinations,
            ledger.warm_start,
            at_rest=at_rest,
        )

    return Reporter(job.metadata, make_status, job.kind)
