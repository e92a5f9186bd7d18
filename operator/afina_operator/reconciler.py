"""Brings one object a step nearer to its spec: observe, plan, apply. The same for every kind."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from afina_operator import metrics
from afina_operator.cluster import Cluster
from afina_operator.errors import ClusterError, ConflictError, FencedError, RefusedError
from afina_operator.plan import Apply, ApplyStatus, CountRollout, Create, Delete, Emit, Patch, Plan, Write
from afina_operator.resources import Json, Ref, Resource

log = logging.getLogger(__name__)

O_contra = TypeVar("O_contra", contravariant=True)
O = TypeVar("O")  # noqa: E741 - what is observed


class Planner(Protocol[O_contra]):
    """Decides the next step from what was observed. Pure."""

    def __call__(self, observed: O_contra, *, now: datetime) -> Plan: ...


@dataclass(frozen=True)
class Controller(Generic[O]):
    """What is special about a kind."""

    resource: Resource
    observe: Callable[[Cluster, Json], Awaitable[O]]
    """Reads what the plan for that object depends on."""
    plan: Planner[O]
    blocked: Callable[[Json, ClusterError, datetime], ApplyStatus | None]
    """The status of the object to write when the API server refuses a request that it needs."""


def utc_now() -> datetime:
    """The time by the machine's clock."""
    return datetime.now(UTC)


async def reconcile(
    controller: Controller[Any], cluster: Cluster, target: Ref, clock: Callable[[], datetime] = utc_now
) -> Plan | None:
    """One pass over one object.

    Returns:
        The plan that was carried out; None if the object does not exist.

    Raises:
        ClusterError: a request failed. What was done until then stands, and the next pass goes on from there.
    """
    obj = await cluster.get(target)
    if obj is None:
        return None
    try:
        plan = controller.plan(await controller.observe(cluster, obj), now=clock())
        for write in plan.writes:
            await send(cluster, write)
    except RefusedError as error:
        if status := controller.blocked(obj, error, clock()):
            await send(cluster, status)
        raise
    return plan


async def send(cluster: Cluster, write: Write) -> None:
    """Carry out one write."""
    match write:
        case Create(obj):
            await cluster.create(obj)
        case Apply(obj):
            await cluster.apply(obj)
        case ApplyStatus(obj):
            await cluster.apply_status(obj)
        case Patch(seen, changes):
            await cluster.patch(seen, changes)
        case Delete(seen):
            await cluster.delete(seen)
        case Emit(event):
            await _tell(cluster, event)
        case CountRollout(result, seconds):
            metrics.ROLLOUT_SECONDS.labels(result).observe(seconds)


async def _tell(cluster: Cluster, event: dict[str, Any]) -> None:
    try:
        await cluster.create(event)
    except FencedError:
        raise
    except ConflictError:
        return  # said before
    except ClusterError as error:
        log.warning("cannot tell %s: %s", event["reason"], error)
