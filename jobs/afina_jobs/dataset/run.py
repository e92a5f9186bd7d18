"""A Dataset in a pod: from the mounted spec to the exit code."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from afina_api.base import drivers_part
from afina_api.dataset import Dataset, DatasetStatus
from afina_api.reasons import DatasetReason
from afina_jobs.dataset.build import Outcome, Place, build
from afina_jobs.dataset.sources.addresses import AllowList
from afina_jobs.livespec import read_object
from afina_jobs.report.pod import end, reporting


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
        dataset = read_object(Path(env["AFINA_SPEC"]), Dataset)
    except ValidationError as error:
        found = Outcome(DatasetReason.INVALID_SPEC, str(error), DatasetStatus(conditions=[]))
        return end(found, settings.termination_log)
    return await run_dataset(dataset, settings)


async def run_dataset(dataset: Dataset, settings: DatasetSettings) -> int:
    """Read, report, and leave the reason in the termination log; the exit code.

    When cancelled, the thread goes on until the process ends; the next pod begins again.
    """
    known = DatasetStatus(conditions=[])
    loop = asyncio.get_running_loop()
    async with reporting("Dataset", dataset.metadata, lambda: drivers_part(known)) as changed:

        def know(status: DatasetStatus) -> None:
            nonlocal known
            known = status
            changed()

        def work() -> Outcome:
            return build(dataset, settings.place, datetime.now(UTC), lambda part: loop.call_soon_threadsafe(know, part))

        found = await loop.run_in_executor(ThreadPoolExecutor(1, "dataset"), work)
        know(found.status)
    return end(found, settings.termination_log)
