"""One operator at a time: a Lease in the operator's namespace, after client-go's leader election.

The holder renews it every few seconds. Whoever sees it unchanged for its whole duration, by the own clock, takes it.
Clocks of two machines are never compared. The holder may write only until shortly before its last renewal runs out
(`may_write`), so a write of a holder that was cut off or stopped ends before a successor's first.
A holder of the same identity is the one before in the same pod, which has ended: its lease is taken at once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, Protocol

from afina_operator.errors import ClusterError, ConflictError, NotFoundError
from afina_operator.resources import LEASES, Json, Ref, dig

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Seconds. `write` plus the longest request is less than `duration`."""

    duration: float = 15.0
    write: float = 9.0
    renew: float = 3.0


class LeaseStore(Protocol):
    """The requests that a lease needs; they are not fenced by it."""

    async def get(self, target: Ref) -> Json | None:
        """The lease as it is now."""

    async def make_unfenced(self, obj: Json) -> Json:
        """Make it; conflict if it is there by now."""

    async def replace(self, obj: Json) -> Json:
        """Update it; conflict if it changed since it was read."""


class LeaseLostError(Exception):
    """Another operator holds the lease now."""


class Lease:
    """This operator's hold on the lease."""

    def __init__(
        self,
        store: LeaseStore,
        namespace: str,
        identity: str,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._target = Ref(LEASES, namespace, "afina-operator")
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._sleep = sleep
        self._renewed: float | None = None
        self._held: Json | None = None
        self._seen: tuple[str, float] = ("", 0.0)

    def may_write(self) -> bool:
        """Whether no other operator can hold the lease before a request sent now has ended."""
        return self._renewed is not None and self._clock() - self._renewed < self._timing.write

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while True:
            try:
                if await self._try_to_acquire():
                    log.info("holds the lease", extra={"lease": str(self._target)})
                    return
            except ClusterError as error:
                log.warning("cannot acquire the lease: %s", error)
            await self._sleep(self._timing.renew)

    async def keep(self) -> None:
        """Renew it for ever. While the API server cannot be reached nothing is written, and nobody else can take it.

        Raises:
            LeaseLostError: somebody else holds it.
        """
        while True:
            await self._sleep(self._timing.renew)
            try:
                await self._renew()
            except NotFoundError:
                self._lose("it was deleted")
            except ClusterError as error:
                log.warning("cannot renew the lease: %s", error)

    async def release(self) -> None:
        """Let the next operator have it without waiting for its end."""
        held, self._renewed, self._held = self._held, None, None
        if held is None:
            return
        held["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._store.replace(held)
        except ClusterError as error:
            log.warning("cannot release the lease: %s", error)

    async def _try_to_acquire(self) -> bool:
        sent = self._clock()
        found = await self._store.get(self._target)
        if found is None:
            found = await self._store.make_unfenced(self._mine({}))
        elif not self._is_free(found):
            return False
        else:
            found = await self._store.replace(self._mine(found))
        self._held, self._renewed = found, sent
        return True

    async def _renew(self) -> None:
        if self._held is None:
            return
        sent = self._clock()
        try:
            self._held = await self._store.replace(self._mine(self._held))
        except ConflictError:
            await self._look_who_changed_it()
        else:
            self._renewed = sent

    async def _look_who_changed_it(self) -> None:
        """Ourselves, by a renewal whose answer was lost; somebody's edit; or another holder."""
        found = await self._store.get(self._target)
        holder = dig(found, "spec", "holderIdentity")
        if found is None or holder != self._identity:
            self._lose(f"{holder!r} holds it")
        self._held = found

    def _lose(self, why: str) -> NoReturn:
        self._renewed = self._held = None
        raise LeaseLostError(why)

    def _is_free(self, found: Json) -> bool:
        version = str(found["metadata"]["resourceVersion"])
        if self._seen[0] != version:
            self._seen = (version, self._clock())
        unchanged_for = self._clock() - self._seen[1]
        holder = dig(found, "spec", "holderIdentity")
        return holder in (None, "", self._identity) or unchanged_for >= self._timing.duration

    def _mine(self, found: Json) -> Json:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = found.get("spec") or {}
        taken = before.get("holderIdentity") != self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._timing.duration),
            "acquireTime": now if taken else before.get("acquireTime"),
            "renewTime": now,
            "leaseTransitions": (before.get("leaseTransitions") or 0) + (1 if taken and before else 0),
        }
        metadata = found.get("metadata") or {"name": self._target.name, "namespace": self._target.namespace}
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
