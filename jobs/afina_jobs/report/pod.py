"""What the drivers of all kinds do at the rims of their work: the status as it goes, and the last words."""

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from afina_api.base import Metadata
from afina_api.termination import termination_message
from afina_jobs.report.reporter import Reporter

EXIT_ENDED = 0
EXIT_FAILED = 10

STATUS_SECONDS = 300.0
"""So long is tried to write the last status of a job that has ended."""
STOPPED_STATUS_SECONDS = 8.0
"""So long when the pod is told to stop."""

log = logging.getLogger(__name__)


class Ending(Protocol):
    """Why a job of any kind ended."""

    @property
    def reason(self) -> StrEnum:
        """A documented word."""

    @property
    def message(self) -> str:
        """The cause, for people."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended as it should."""


def has_a_status(metadata: Metadata) -> bool:
    """Whether there is an object in a cluster to report on."""
    return bool(metadata.uid) and "KUBERNETES_SERVICE_HOST" in os.environ


@asynccontextmanager
async def reporting(
    kind: str, metadata: Metadata, make_status: Callable[[], dict[str, Any]]
) -> AsyncIterator[Callable[[], None]]:
    """Keeps the status up to date; gives what to call when it has changed. Outside of a cluster nothing is written."""
    if not has_a_status(metadata):
        log.info("not in a cluster: no status is reported")
        yield lambda: None
        return
    reporter = Reporter(metadata, lambda _trials, _at_rest: make_status(), kind)
    seconds = STOPPED_STATUS_SECONDS
    try:
        yield lambda: reporter.trials_changed(())
        seconds = STATUS_SECONDS
    finally:
        await reporter.finish(seconds)


def end(ending: Ending, termination_log: Path) -> int:
    """Leave the reason where the kubelet looks for it; the exit code."""
    log.info("the job has ended: %s: %s", ending.reason, ending.message)
    termination_log.write_text(termination_message(ending.reason, ending.message))
    return EXIT_ENDED if ending.succeeded else EXIT_FAILED
