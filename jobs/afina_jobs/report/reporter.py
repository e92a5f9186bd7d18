"""Writes the status of a TuningJob to the API server as the search goes on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_namespaced_resource
from optuna.trial import FrozenTrial

from afina_api import API_VERSION, GROUP, VERSION
from afina_api.base import Metadata

log = logging.getLogger(__name__)

FIELD_MANAGER = "afina-driver"
_PAUSE_SECONDS = 1.0
"""Between two writes, at least."""
_TIMEOUT_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 20.0
_GONE = (404, 409)
"""There is no such object any more, or another of the same name (then the uid in the patch is refused)."""

_TuningJob = create_namespaced_resource(GROUP, VERSION, "TuningJob", "tuningjobs")
MakeStatus = Callable[[Sequence[FrozenTrial], bool], dict[str, Any]]
"""The status of these trials; the flag says whether the search is at rest."""


class Reporter:
    """Keeps the status of one object up to date: one write at a time, at most one a second, the latest state only."""

    def __init__(self, metadata: Metadata, make_status: MakeStatus) -> None:
        self._client = AsyncClient(timeout=httpx2.Timeout(_TIMEOUT_SECONDS))
        self._metadata = metadata
        self._make_status = make_status
        self._trials: Sequence[FrozenTrial] = ()
        self._at_rest = asyncio.Event()
        self._changed = asyncio.Event()
        self._written: dict[str, Any] | None = None
        self._task = asyncio.create_task(self._run())

    def trials_changed(self, trials: Sequence[FrozenTrial]) -> None:
        """Report these trials soon."""
        self._trials = trials
        self._changed.set()

    async def finish(self, seconds: float) -> None:
        """Write the last status, in which no trial runs, and try for so many seconds."""
        self._at_rest.set()
        self._changed.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._task, seconds)
        await self._client.close()

    async def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while True:
            await self._changed.wait()
            self._changed.clear()
            last = self._at_rest.is_set()
            status = self._make_status(self._trials, last)
            if await self._write(status):
                if last:
                    return
                pause = _PAUSE_SECONDS
            else:
                self._changed.set()
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not long once the search has ended."""
        if self._at_rest.is_set():
            await asyncio.sleep(seconds)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._at_rest.wait(), seconds)

    async def _write(self, status: dict[str, Any]) -> bool:
        """Whether the status is written, or need not be."""
        if status == self._written:
            return True
        metadata = {"name": self._metadata.name, "namespace": self._metadata.namespace, "uid": self._metadata.uid}
        patch = {"apiVersion": API_VERSION, "kind": "TuningJob", "metadata": metadata, "status": status}
        try:
            await self._client.apply(
                _TuningJob.Status.from_dict(patch),
                self._metadata.name,
                namespace=self._metadata.namespace,
                field_manager=FIELD_MANAGER,
                force=True,
            )
        except ApiError as error:
            return self._refused(error)
        except httpx2.HTTPError as error:
            log.warning("the API server did not take the status, trying again: %s", error)
            return False
        self._written = status
        return True

    def _refused(self, error: ApiError) -> bool:
        gone = error.status.code in _GONE
        log.warning("the status was refused%s: %s", ", the TuningJob is gone" if gone else "", error)
        return gone
