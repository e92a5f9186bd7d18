"""One pass of the operator over one object, which may end, or lose a race, before any of its writes."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from afina_operator.errors import ClusterError, RefusedError
from afina_operator.plan import Plan
from afina_operator.reconciler import Controller, reconcile
from afina_operator.resources import EVENTS, Json, Ref, ref
from world.apiserver import ApiServer

Step = Callable[[ApiServer], None]
T = TypeVar("T")


class Crash(BaseException):
    """The operator's process ends here."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a pass, before its write of that number (from 0)."""

    at: int
    meanwhile: Step | None = None
    """Somebody else acts; None: the process ends."""
    refused: bool = False
    """The API server refuses the write."""


class _Watched:
    """The cluster as the operator sees it, which lets a fault happen. Events are no writes that count."""

    def __init__(self, world: ApiServer, fault: Fault | None) -> None:
        self._world = world
        self._fault = fault
        self.tried = 0
        self.accepted = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    async def create(self, obj: Json) -> Json:
        if ref(obj).resource is EVENTS:
            return await self._world.create(obj)
        return await self._write(self._world.create, obj)

    async def apply(self, obj: Json) -> Json:
        return await self._write(self._world.apply, obj)

    async def apply_status(self, obj: Json) -> Json:
        return await self._write(self._world.apply_status, obj)

    async def patch(self, seen: Json, changes: Json) -> Json:
        return await self._write(self._world.patch, seen, changes)

    async def delete(self, seen: Json) -> None:
        await self._write(self._world.delete, seen)

    async def _write(self, do: Callable[..., Awaitable[T]], *arguments: Json) -> T:
        fault, number = self._fault, self.tried
        self.tried += 1
        if fault is not None and fault.at == number:
            if fault.refused:
                raise RefusedError("forbidden: exceeded quota")
            if fault.meanwhile is None:
                raise Crash
            fault.meanwhile(self._world)
        found = await do(*arguments)
        self.accepted += 1
        return found


@dataclass(frozen=True)
class Pass:
    """How a pass went. Events do not count as writes."""

    tried: int
    """So many writes were tried."""
    accepted: int
    """So many were accepted."""
    plan: Plan | None = None
    """What was planned; None if the pass did not come to its end, or there was no object."""
    error: ClusterError | None = None
    ended: bool = True
    """False if the process ended first."""


def run_pass(controller: Controller[Any], world: ApiServer, target: Ref, fault: Fault | None = None) -> Pass:
    """Run the operator's own reconcile once."""
    cluster = _Watched(world, fault)
    try:
        plan = run_now(reconcile(controller, cluster, target, lambda: world.now))
    except Crash:
        return Pass(cluster.tried, cluster.accepted, ended=False)
    except ClusterError as error:
        return Pass(cluster.tried, cluster.accepted, error=error)
    return Pass(cluster.tried, cluster.accepted, plan)


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never has to wait."""
    try:
        work.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    work.close()
    raise AssertionError("a simulated call had to wait")
