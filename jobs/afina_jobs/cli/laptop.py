"""`afina run`: a search on this machine, from the spec to the summary."""

import asyncio
import os
import signal
from pathlib import Path

from rich.console import Console

from afina_api.tuningjob import TuningJob
from afina_jobs import engine
from afina_jobs.cli.display import Display, opening, summary
from afina_jobs.cli.folder import alone, write_files
from afina_jobs.cli.logs import log_to
from afina_jobs.objectives.base import Place
from afina_jobs.process.environment import trial_environment
from afina_jobs.results.write import write_results
from afina_jobs.session import CannotBeginError, make_engine, open_ledger
from afina_jobs.signals import until_signalled
from afina_jobs.specfile.load import LoadedJob
from afina_jobs.stopping import Verdict
from afina_jobs.study.storage import sqlite_url
from afina_jobs.study.thread import StudyThread
from afina_jobs.tracking.mirror import Ending, Mirror

EXIT_ENDED = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

_MLFLOW_SECONDS = 60.0


def search(loaded: LoadedJob, folder: Path) -> int:
    """Search as a file says, and leave everything in a folder; the exit code."""
    with alone(folder):
        source = write_files(loaded.files, folder / "source")
        return _run(loaded.job, folder.resolve(), source.resolve(), Console(highlight=False, soft_wrap=True))


def _run(job: TuningJob, folder: Path, source: Path, console: Console) -> int:
    display = Display(console, job.spec)
    log_to(folder / "log.txt", display.say, engine.__name__)
    try:
        with display:
            found = asyncio.run(until_signalled(_search(job, folder, source, display), [signal.SIGINT, signal.SIGTERM]))
    except CannotBeginError as error:
        found = error.verdict
    if found is None:
        console.print(f"Interrupted. What has ended is kept in {folder}: the same command goes on from there.")
        return EXIT_INTERRUPTED
    console.print(summary(found, display.trials, job.spec, folder))
    return EXIT_ENDED if found.succeeded else EXIT_FAILED


async def _search(job: TuningJob, folder: Path, source: Path, display: Display) -> Verdict:
    thread = StudyThread()
    ledger = await open_ledger(job, sqlite_url(folder), thread)
    display.say(opening(job, ledger.seed, await thread(ledger.trials)))
    mirror = Mirror(job, ledger.identity, ledger.seed) if os.environ.get("MLFLOW_TRACKING_URI") else None
    listeners = [listener for listener in (display, mirror) if listener]
    place = Place(folder / "work", source, folder / "checkpoints")
    env = trial_environment(job.spec.trial)
    found = await make_engine(job, lambda: job.spec, ledger, thread, env, place, listeners).run()
    if not job.spec.algorithm.inherits:  # with a larger budget the same command goes on from them
        place.forget_checkpoints()
    display.say("drawing plots")
    artifacts = await thread(write_results, ledger.study, job, folder)
    await thread(ledger.close)
    if mirror:
        await mirror.finish(Ending(found.succeeded, artifacts), _MLFLOW_SECONDS)
    return found
