"""Notices changes, through kopf: its watches only put the key of the object concerned into the work queue.

Only `kopf.on.event` is used: kopf's other handlers write finalizers and annotations onto people's objects.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import kopf

from afina_operator.credentials import connection
from afina_operator.resources import Json, Ref, Resource

_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Watch:
    """A kind of object that is watched, and what a change of one means."""

    resource: Resource
    concerns: Callable[[Json], Ref | None]
    """The object to reconcile when this one changes."""
    aspect: Callable[[Json], object] = lambda obj: obj["metadata"]["resourceVersion"]
    """The part of it whose change matters."""
    labels: str = ""


Notice = Callable[[Watch, Json, bool], None]
"""Called with each object that changed, and whether it is gone."""


class _Forever:
    """Pauses between attempts that never run out: an operator that has given up looks alive and does nothing."""

    def __iter__(self) -> Iterator[float]:
        yield from (1, 1, 2, 3, 5, 8)
        while True:
            yield 10


class _NoBase(kopf.DiffBaseStorage):
    """Keeps kopf from reading (and failing on) annotations that say what an object was before."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


async def run(watches: Sequence[Watch], namespaces: Sequence[str], notice: Notice) -> None:
    """Watch until stopped by a signal.

    Args:
        watches: what to watch.
        namespaces: where; empty: in the whole cluster.
        notice: called with every object that is there at the start or changes later.

    Raises:
        Exception: a watch failed in a way that kopf does not repair; the process should start anew.
    """
    tasks = await kopf.spawn_tasks(
        registry=_registry(watches, notice),
        settings=_settings(watches),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
    )
    # Not kopf.operator: after a failure it waits without end for tasks of its own that ignore their cancellation.
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_STOP_SECONDS)
    for task in done:
        task.result()


def _settings(watches: Sequence[Watch]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _Forever()
    settings.persistence.diffbase_storage = _NoBase()
    settings.persistence.finalizer = "afina.dev/none"
    for watch in watches:
        if watch.labels:
            settings.watching.label_selectors[_selector(watch.resource)] = watch.labels
    return settings


def _selector(resource: Resource) -> tuple[str, str, str]:
    return resource.group, resource.version, resource.plural


def _registry(watches: Sequence[Watch], notice: Notice) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return connection()

    for watch in watches:
        _handle(registry, watch, notice)
    return registry


def _handle(registry: kopf.OperatorRegistry, watch: Watch, notice: Notice) -> None:
    @kopf.on.event(*_selector(watch.resource), registry=registry)
    async def noticed(event: kopf.RawEvent, **_: Any) -> None:
        notice(watch, dict(event["object"]), event["type"] == "DELETED")
