"""Writes the status of an object to the API server as its job goes on.

Each write is bound to the version that was seen last, and that to the object's uid: the API server ignores a uid in
a write to a status, so that without the version a successor of the same name would be written.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.generic_resource import create_namespaced_resource

from afina_api import API_VERSION, GROUP, VERSION
from afina_api.base import Metadata

if TYPE_CHECKING:  # a Dataset's driver has no trials, and need not wait for the import
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

FIELD_MANAGER = "afina-driver"
_PAUSE_SECONDS = 1.0
"""Between two writes, at least; what ends a search is written at once."""
_LONGEST_PAUSE_SECONDS = 5.0
_TIMEOUT_SECONDS = 5.0

MakeStatus = Callable[[Sequence["FrozenTrial"], bool], dict[str, Any]]
"""The status of these trials; the flag says whether the search is at rest."""


class Reporter:
    """Keeps the status of one object up to date: one write at a time, at most one a second, the latest state only.

    That the search is at rest, and the last word, wait for no second to pass.
    """

    def __init__(self, metadata: Metadata, make_status: MakeStatus, kind: str) -> None:
        self._kind = kind
        self._resource = create_namespaced_resource(GROUP, VERSION, kind, f"{kind.lower()}s")
        self._client = AsyncClient(timeout=httpx2.Timeout(_TIMEOUT_SECONDS))
        self._metadata = metadata
        self._make_status = make_status
        self._trials: Sequence[FrozenTrial] = ()
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._at_rest = False
        self._finishing = False
        self._gone = False
        self._version: str | None = None
        self._written: dict[str, Any] | None = None
        self._task = asyncio.create_task(self._run())

    def trials_changed(self, trials: Sequence["FrozenTrial"]) -> None:
        """Report these trials soon."""
        self._trials = trials
        self._changed.set()

    def rest(self) -> None:
        """Report at once that no trial runs any more."""
        self._at_rest = True
        self._changed.set()
        self._hurry.set()

    async def finish(self, seconds: float) -> None:
        """Write the last status, and try for so many seconds."""
        self._finishing = True
        self.rest()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._task, seconds)
        await self._client.close()

    async def _run(self) -> None:
        pause = _PAUSE_SECONDS
        while True:
            await self._changed.wait()
            self._changed.clear()
            if await self._write(self._make_status(self._trials, self._at_rest)):
                pause = _PAUSE_SECONDS
                if self._finishing and not self._changed.is_set():
                    return
            else:
                self._changed.set()
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        """Wait, but not beyond the moment in which the search ends, nor the last one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
        self._hurry.clear()

    async def _write(self, status: dict[str, Any]) -> bool:
        """Whether the status is written, or need not be."""
        if self._gone or status == self._written:
            return True
        try:
            await self._apply(status)
        except ApiError as error:
            return self._refused(error)
        except httpx2.HTTPError as error:
            log.warning("the API server did not take the status, trying again: %r", error)
            return False
        self._written = status
        return True

    async def _apply(self, status: dict[str, Any]) -> None:
        """Write onto the version that was seen last; onto the one that is there, if that is another by now."""
        if self._version is not None:
            try:
                await self._patch(status)
            except ApiError as error:
                if error.status.code != HTTPStatus.CONFLICT:  # the operator writes, too
                    raise
            else:
                return
        found = await self._client.get(self._resource, self._metadata.name, namespace=self._metadata.namespace)
        self._gone = found["metadata"]["uid"] != self._metadata.uid
        self._version = found["metadata"]["resourceVersion"]
        if self._gone:
            log.warning("the %s is gone, another has its name", self._kind)
        else:
            await self._patch(status)

    async def _patch(self, status: dict[str, Any]) -> None:
        name, namespace = self._metadata.name, self._metadata.namespace
        metadata = {"name": name, "namespace": namespace, "resourceVersion": self._version}
        patch = {"apiVersion": API_VERSION, "kind": self._kind, "metadata": metadata, "status": status}
        written = await self._client.apply(
            self._resource.Status.from_dict(patch), name, namespace=namespace, field_manager=FIELD_MANAGER, force=True
        )
        self._version = written["metadata"]["resourceVersion"]

    def _refused(self, error: ApiError) -> bool:
        """Whether it need not be tried again."""
        self._version = None
        self._gone = error.status.code == HTTPStatus.NOT_FOUND
        if error.status.code != HTTPStatus.CONFLICT:  # else somebody wrote to the object since we looked
            log.warning("the status was refused%s: %s", ": the object is gone" if self._gone else "", error)
        return self._gone
