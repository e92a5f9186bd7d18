"""The operator's engine in simulated time: watches whose events can be lost, the real audit, and a queue.

It stands in for kopf (events), `workqueue` and `workers` (what is due when); the audit and the controllers are real.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from afina_operator.audit import Audit
from afina_operator.reconciler import Controller
from afina_operator.resources import Json, Ref, Resource, dig
from afina_operator.watches import Watch
from world.apiserver import ApiServer, Change
from world.passes import Fault, Pass, run_now, run_pass

AUDIT_SECONDS = 60.0
_RETRY_SECONDS = 5.0
_TICK_SECONDS = 1e-6
"""The world's clock is rounded to it: without one more, what is due in a fraction would be due for ever."""


class Engine:
    """One operator process and its view of a world."""

    def __init__(
        self, world: ApiServer, controllers: Mapping[Resource, Controller[Any]], watches: Sequence[Watch]
    ) -> None:
        self.world = world
        self.events: list[tuple[Watch, Json, bool]] = []
        """What the API server has to tell, oldest first."""
        self._controllers = controllers
        self._watches = watches
        self._started = world.now
        self.start()

    def start(self) -> None:
        """The process starts anew: nothing is remembered, and all that is there is listed."""
        self.due: dict[Ref, float] = {}
        self.audit = Audit(self._watches, (), self._list, lambda target: self._later(target, 0.0), self.now)
        self.next_audit = self.now() + AUDIT_SECONDS
        self.events = [(watch, obj, False) for watch in self._watches for obj in self._watched(watch)]

    def now(self) -> float:
        """Seconds since the world began."""
        return (self.world.now - self._started).total_seconds()

    def heard(self, change: Change) -> None:
        """The API server has accepted a write: whoever watches that kind will be told."""
        obj = change.after or change.before or {}
        for watch in self._watches:
            if watch.resource is change.target.resource and _selected(watch, obj):
                self.events.append((watch, obj, change.after is None))

    def deliver(self) -> None:
        """The oldest event arrives."""
        if self.events:
            self.audit.notice(*self.events.pop(0))

    def lose(self) -> None:
        """The oldest event never arrives."""
        if self.events:
            self.events.pop(0)

    def work(self, fault: Fault | None = None) -> None:
        """One pass over each object that is due. A pass that crashes ends the process, and a new one starts."""
        now = self.now()
        for target in [target for target, moment in self.due.items() if moment <= now]:
            del self.due[target]
            done = run_pass(self._controllers[target.resource], self.world, target, fault)
            if fault and not done.error and not done.ended:
                self.start()
                return
            self._look_again(target, done)

    def look_around(self) -> None:
        """The audit, if its time has come; a process with a stale watch is started anew."""
        if self.now() >= self.next_audit:
            self.next_audit = self.now() + AUDIT_SECONDS
            run_now(self.audit.once())
            if self.audit.stale():
                self.start()

    def wait_for_something(self) -> None:
        """Let time pass until something is due."""
        missing = min([self.next_audit, *self.due.values()]) - self.now()
        self.world.wait(max(0.0, missing + _TICK_SECONDS))

    def _look_again(self, target: Ref, done: Pass) -> None:
        if done.error:
            self._later(target, _RETRY_SECONDS)
        elif done.plan and done.plan.again_after is not None:
            self._later(target, done.plan.again_after)

    def _later(self, target: Ref, seconds: float) -> None:
        self.due[target] = min(self.due.get(target, float("inf")), self.now() + seconds)

    async def _list(self, resource: Resource, namespace: str | None, labels: str) -> list[Json]:
        return [
            obj["metadata"] for watch in self._watches if watch.resource is resource for obj in self._watched(watch)
        ]

    def _watched(self, watch: Watch) -> list[Json]:
        return [obj for obj in self.world.of(watch.resource) if _selected(watch, obj)]


def _selected(watch: Watch, obj: Json) -> bool:
    label, _, value = watch.labels.partition("=")
    return not watch.labels or dig(obj, "metadata", "labels", label) == value
