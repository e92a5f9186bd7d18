"""Takes keys from the queue and reconciles them, whatever the objects hold."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from afina_operator import metrics
from afina_operator.cluster import Cluster
from afina_operator.errors import ClusterError, ConflictError, FencedError, NotFoundError
from afina_operator.logs import about
from afina_operator.plan import Plan
from afina_operator.reconciler import Controller, reconcile
from afina_operator.resources import Ref, Resource
from afina_operator.workqueue import WorkQueue

log = logging.getLogger(__name__)

_RESYNC_SECONDS = 600.0


class Workers:
    """A fixed number of tasks that share one queue."""

    def __init__(
        self, controllers: Mapping[Resource, Controller[Any]], cluster: Cluster, queue: WorkQueue[Ref]
    ) -> None:
        self._controllers = controllers
        self._cluster = cluster
        self._queue = queue
        self._states: dict[Ref, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    async def run(self, count: int) -> None:
        """Work with so many tasks until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            target = await self._queue.take()
            started = time.monotonic()
            try:
                result = await self._pass(target)
            finally:
                self._queue.done(target)
            kind = target.resource.kind
            metrics.RECONCILES.labels(kind, result).inc()
            metrics.RECONCILE_SECONDS.labels(kind).observe(time.monotonic() - started)

    async def _pass(self, target: Ref) -> str:
        """One pass, and when the next one is due."""
        try:
            plan = await reconcile(self._controllers[target.resource], self._cluster, target)
        except (ConflictError, NotFoundError, FencedError) as error:
            log.info("looks again: %s", error, extra=about(target))
            self._queue.add_failed(target)
            return type(error).__name__
        except ClusterError as error:
            pause = self._queue.add_failed(target)
            log.warning("tries again in %.1f s: %s", pause, error, extra=about(target))
            return type(error).__name__
        except Exception:
            # Whatever an object holds, it must not stop the others.
            pause = self._queue.add_failed(target)
            log.exception("a fault in the operator; tries again in %.1f s", pause, extra=about(target))
            return "Fault"
        self._queue.forget_failures(target)
        self._count(target, plan)
        if plan is None:
            return "Gone"
        again = _RESYNC_SECONDS if plan.again_after is None else plan.again_after
        self._queue.add_after(target, min(again, _resync()))
        if plan.writes:
            log.info("%s: %s", plan.state, _names(plan), extra=about(target))
        return "Changed" if plan.writes else "Quiet"

    def _count(self, target: Ref, plan: Plan | None) -> None:
        before, after = self._states.pop(target, None), plan.state if plan else None
        if after is not None:
            self._states[target] = after
        for state, change in ((before, -1), (after, 1)):
            if state is not None:
                metrics.OBJECTS.labels(target.resource.kind, state).inc(change)


def _resync() -> float:
    """Not all at once: up to a tenth earlier."""
    return _RESYNC_SECONDS * random.uniform(0.9, 1.0)  # noqa: S311 - no secret


def _names(plan: Plan) -> str:
    return ", ".join(type(write).__name__ for write in plan.writes)
