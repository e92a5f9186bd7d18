"""A Dataset in a pod: from the mounted spec to the exit code."""

import asyncio
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from afina_api.dataset import Dataset, DatasetStatus
from afina_api.reasons import DatasetReason
from afina_jobs.dataset.build import Outcome, Place, build
from afina_jobs.dataset.sources.addresses import AllowList
from afina_jobs.report.reporter import Reporter
from afina_jobs.report.termination import termination_message

EXIT_ENDED = 0
EXIT_FAILED = 10
_STATUS_SECONDS = 300.0
_STOPPED_STATUS_SECONDS = 8.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetSettings:
    """What the operator's pod template says."""

    place: Place
    termination_log: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "DatasetSettings":
        """Read the settings from the `AFINA_` variables, and the keys of S3 from their own."""
        place = Place(
            mounted=Path(env["AFINA_SOURCE"]) if env.get("AFINA_SOURCE") else None,
            volume=Path(env["AFINA_STUDY"]),
            workspace=Path(env["AFINA_WORKSPACE"]),
            allowed_hosts=AllowList(env.get("AFINA_HTTP_ALLOWED_HOSTS", "").split(",")),
            env=env,
        )
        return cls(place, Path(env.get("AFINA_TERMINATION_LOG", "/dev/termination-log")))


async def run_in_pod(env: Mapping[str, str]) -> int:
    """Make the Dataset whose JSON is in the file AFINA_SPEC; the exit code."""
    settings = DatasetSettings.from_environment(env)
    try:
        dataset = _read(Path(env["AFINA_SPEC"]))
    except ValidationError as error:
        return _end(Outcome(DatasetReason.INVALID_SPEC, str(error), DatasetStatus(conditions=[])), settings)
    return await run_dataset(dataset, settings)


def _read(spec: Path) -> Dataset:
    return Dataset.model_validate_json(spec.read_bytes())


async def run_dataset(dataset: Dataset, settings: DatasetSettings) -> int:
    """Read, report, and leave the reason in the termination log; the exit code.

    When cancelled, the thread goes on until the process ends; the next pod begins again.
    """
    known = DatasetStatus(conditions=[])
    reporter = None
    if dataset.metadata.uid and "KUBERNETES_SERVICE_HOST" in os.environ:
        reporter = Reporter(dataset.metadata, lambda _trials, _at_rest: status_json(known), "Dataset")
    loop = asyncio.get_running_loop()

    def know(status: DatasetStatus) -> None:
        nonlocal known
        known = status
        if reporter:
            reporter.trials_changed(())

    def work() -> Outcome:
        return build(dataset, settings.place, datetime.now(UTC), lambda part: loop.call_soon_threadsafe(know, part))

    wait = _STOPPED_STATUS_SECONDS
    try:
        found = await loop.run_in_executor(ThreadPoolExecutor(1, "dataset"), work)
        know(found.status)
        wait = _STATUS_SECONDS
    finally:
        if reporter:
            await reporter.finish(wait)
    return _end(found, settings)


def _end(found: Outcome, settings: DatasetSettings) -> int:
    log.info("the Dataset is read: %s: %s", found.reason, found.message)
    settings.termination_log.write_text(termination_message(found))
    return EXIT_ENDED if found.succeeded else EXIT_FAILED


def status_json(status: DatasetStatus) -> dict[str, object]:
    """The driver's part of the status as JSON."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"conditions"})
