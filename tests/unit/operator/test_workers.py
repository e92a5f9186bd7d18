"""The workers: whatever one object does, the others go on."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from prometheus_client import REGISTRY

from afina_operator.errors import ConflictError, RefusedError
from afina_operator.plan import Plan
from afina_operator.reconciler import Controller
from afina_operator.resources import TUNING_JOBS, Json, Ref
from afina_operator.workers import Workers
from afina_operator.workqueue import WorkQueue

GOOD, BAD = (Ref(TUNING_JOBS, "lab", name) for name in ("good", "bad"))


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Office:
    """Two workers, and a controller that does as it is told."""

    def __init__(self, work: Callable[[Ref], Plan | None]) -> None:
        self.seen: Counter[str] = Counter()
        self.most_at_once = 0
        self._at_once: Counter[str] = Counter()
        self._passed = asyncio.Event()
        self.queue = WorkQueue[Ref]()
        controller = Controller[Plan](TUNING_JOBS, self._observe, lambda observed, *, now: observed, lambda *_: None)
        self.workers = Workers({TUNING_JOBS: controller}, self, self.queue)  # type: ignore[arg-type]
        self._do = work

    async def get(self, target: Ref) -> Json | None:
        """The office is the cluster too: what it holds of an object is the plan for it."""
        self.seen[target.name] += 1
        self._at_once[target.name] += 1
        self.most_at_once = max(self.most_at_once, self._at_once[target.name])
        await asyncio.sleep(0.001)
        self._at_once[target.name] -= 1
        asyncio.get_running_loop().call_soon(self._passed.set)
        plan = self._do(target)
        return {"plan": plan} if plan else None

    async def _observe(self, _: Any, obj: Json) -> Plan:
        plan: Plan = obj["plan"]
        return plan

    async def work_until(self, enough: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.workers.run(2))
        async with asyncio.timeout(10):
            while not enough():
                self._passed.clear()
                await self._passed.wait()
        running.cancel()
        await asyncio.wait([running])


async def test_a_fault_stops_neither_the_worker_nor_the_others() -> None:
    def work(target: Ref) -> Plan:
        if target == BAD:
            raise KeyError("poison")
        return Plan(again_after=0.0)

    office = Office(work)
    faults = count("afina_reconciles_total", kind="TuningJob", result="Fault")
    office.queue.add(BAD)
    office.queue.add(GOOD)
    await office.work_until(lambda: office.seen["good"] > 5)
    assert 1 <= office.seen["bad"] <= 3, "it waits longer each time"
    assert count("afina_reconciles_total", kind="TuningJob", result="Fault") > faults


async def test_what_the_api_server_refuses_is_tried_again() -> None:
    errors: list[Exception] = [RefusedError("no"), ConflictError("changed")]

    def work(_: Ref) -> Plan:
        if errors:
            raise errors.pop()
        return Plan()

    office = Office(work)
    office.queue.add(GOOD)
    await office.work_until(lambda: office.seen["good"] == 3)


async def test_one_object_is_never_worked_on_twice_at_once() -> None:
    office = Office(lambda _: Plan(again_after=0.0))

    def poke() -> bool:
        office.queue.add(GOOD)
        return office.seen["good"] > 5

    await office.work_until(poke)
    assert office.most_at_once == 1


async def test_objects_are_counted_by_their_state() -> None:
    states: list[Plan | None] = [Plan(state="Pending", again_after=0.0), Plan(state="Running", again_after=0.02), None]
    office = Office(lambda _: states.pop(0))
    before = {state: count("afina_objects", kind="TuningJob", reason=state) for state in ("Pending", "Running")}
    office.queue.add(GOOD)

    def grown(state: str) -> float:
        return count("afina_objects", kind="TuningJob", reason=state) - before[state]

    await office.work_until(lambda: grown("Running") == 1)
    assert grown("Pending") == 0
    await office.work_until(lambda: grown("Running") == 0)
