"""An AutoMLJob in a pod: from the mounted spec to the exit code."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
from pydantic import ValidationError

from afina_api.automljob import AutoMLJob
from afina_api.reasons import AutoMLReason
from afina_jobs.automl.learn import OnProgress, Place, Progress, learn
from afina_jobs.automl.problem import CannotLearnError
from afina_jobs.automl.status import status
from afina_jobs.livespec import read_object
from afina_jobs.report.pod import end, reporting


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    reason: AutoMLReason
    message: str
    progress: Progress

    @property
    def succeeded(self) -> bool:
        """Whether there is a model."""
        return self.reason == AutoMLReason.MODEL_READY


@dataclass(frozen=True)
class AutoMLSettings:
    """What the operator's pod template says."""

    place: Place
    termination_log: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "AutoMLSettings":
        """Read the settings from the `AFINA_` variables."""
        place = Place(Path(env["AFINA_DATASET"]), Path(env["AFINA_STUDY"]), Path(env["AFINA_WORKSPACE"]))
        return cls(place, Path(env.get("AFINA_TERMINATION_LOG", "/dev/termination-log")))


async def run_in_pod(env: Mapping[str, str]) -> int:
    """Run the AutoMLJob whose JSON is in the file AFINA_SPEC; the exit code."""
    settings = AutoMLSettings.from_environment(env)
    try:
        job = read_object(Path(env["AFINA_SPEC"]), AutoMLJob)
    except ValidationError as error:
        return end(Ending(AutoMLReason.INVALID_SPEC, str(error), Progress()), settings.termination_log)
    return await run_automl(job, settings)


async def run_automl(job: AutoMLJob, settings: AutoMLSettings) -> int:
    """Learn, report, and leave the reason in the termination log; the exit code.

    When cancelled, the job is left for the next driver to resume.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    latest = Progress()
    async with reporting("AutoMLJob", job.metadata, lambda: status(latest)) as changed:

        def on_progress(progress: Progress) -> None:
            nonlocal latest
            latest = progress
            changed()

        found = await end_of(job, settings.place, on_progress)
        on_progress(found.progress)
    return end(found, settings.termination_log)


async def end_of(job: AutoMLJob, place: Place, on_progress: OnProgress) -> Ending:
    """Learn, and say how it ended. On a laptop too."""
    latest = Progress()

    def remember(progress: Progress) -> None:
        nonlocal latest
        latest = progress
        on_progress(progress)

    try:
        found = await learn(job, place, remember)
    except CannotLearnError as error:
        return Ending(error.reason, str(error), latest)
    leader = next(line for line in found.leaderboard if line.name == found.chosen)
    message = f"{leader.name}: {found.metric} {leader.score:.6g} cross-validated"
    return Ending(AutoMLReason.MODEL_READY, message, found)
