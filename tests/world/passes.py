"""One pass of the operator over one object, which may end, or lose a race, before any of its writes."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
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


@dataclass
class Track:
    """A pass write by write, so that others can begin in the midst of it."""

    worlds: list[ApiServer] = field(default_factory=list)
    """As each was before the write of that number, the first one as it was read."""
    answers: list[Any] = field(default_factory=list)
    """What the API server said to each; a ClusterError where it refused it."""


class _Tracked(_Watched):
    """Keeps how a pass goes."""

    def __init__(self, world: ApiServer, track: Track) -> None:
        super().__init__(world, None)
        self._track = track

    async def _write(self, do: Callable[..., Awaitable[T]], *arguments: Json) -> T:
        self._track.worlds.append(self._world.copy())
        try:
            answer = await super()._write(do, *arguments)
        except ClusterError as error:
            self._track.answers.append(error)
            raise
        self._track.answers.append(answer)
        return answer


class _Resumed(_Watched):
    """A world in which a tracked pass has come as far as its write that goes wrong."""

    def __init__(self, world: ApiServer, track: Track, fault: Fault) -> None:
        super().__init__(world, fault)
        self._track = track
        self._done = fault.at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._track.worlds[0], name)

    async def _write(self, do: Callable[..., Awaitable[T]], *arguments: Json) -> T:
        if self.tried >= self._done:
            return await super()._write(do, *arguments)
        answer = self._track.answers[self.tried]
        self.tried += 1
        if isinstance(answer, ClusterError):
            raise answer
        return answer  # type: ignore[no-any-return]


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
    return _run(controller, _Watched(world, fault), world, target)


def track_pass(controller: Controller[Any], world: ApiServer, target: Ref) -> tuple[Pass, Track]:
    """The same without a fault, and how it went: what is to `run_on` in the midst of it."""
    track = Track()
    return _run(controller, _Tracked(world, track), world, target), track


def run_on(controller: Controller[Any], world: ApiServer, target: Ref, track: Track, fault: Fault) -> Pass:
    """Run the rest of a pass.

    Args:
        controller: it plans what it planned in the pass that was tracked.
        world: a copy of the track's world before the write of the fault.
        target: the object.
        track: how the pass went until then.
        fault: what goes wrong now.
    """
    return _run(controller, _Resumed(world, track, fault), world, target)


def _run(controller: Controller[Any], cluster: _Watched, world: ApiServer, target: Ref) -> Pass:
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
