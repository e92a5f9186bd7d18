"""Runs trials in an actor of Ray: Tune's trainable around the same slot that the driver has without Ray.

Tune calls `step` again and again; each call returns what the trial has told since the last, after a second at most.
"""

import asyncio
import json
import logging
import os
import queue
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray import tune

from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Proposal, Report
from afina_jobs.objectives import output
from afina_jobs.objectives.base import LocalSlot, Place
from afina_jobs.objectives.slots import make_slots
from afina_jobs.process.environment import trial_environment
from afina_jobs.raytune.order import MESSAGE, PARCEL, Message, as_message, checkpoint_lost
from afina_jobs.raytune.parcel import Parcel, ParcelTooLargeError, checkpoints_below

T = TypeVar("T")

_STEP_SECONDS = 1.0
_STOP_SECONDS = 20.0
_KEPT_LINES = 1000


class Trial(tune.Trainable):
    """One slot on a node of the Ray cluster."""

    _told: queue.SimpleQueue[Message]
    _decision: "asyncio.Future[bool] | None"
    """What the trial waits for that has reported a value: whether it shall end."""
    _checkpoint: Parcel
    _task: "asyncio.Task[None]"

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        """Begin the first trial."""
        order: Message = given["order"]
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._folder = Path(order["workspace"]) / f"actor-{os.getpid()}"
        self._slot = slot(order, self._folder)
        self._inherits = TuningJob.model_validate(order["job"]).spec.algorithm.inherits
        self._lines = _Lines()
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """End the trial, if it has not ended, and begin another."""
        self._end()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """What the trial has told: lines, perhaps a report or its outcome, and what has changed in its checkpoint."""
        decision, self._decision = self._decision, None
        if decision:
            self._loop.call_soon_threadsafe(decision.set_result, False)
        told: Message = {}
        with suppress(queue.Empty):
            told = self._told.get(timeout=_STEP_SECONDS)
        if not told and self._task.done():
            self._task.result()
        if lines := self._lines.take():
            told["lines"] = lines
        done = "outcome" in told
        parcel = self._last_parcel(told) if done else self._checkpoint.changed()
        return {MESSAGE: json.dumps(told), PARCEL: parcel, "done": done}

    def _last_parcel(self, told: Message) -> bytes | None:
        """What others may go on from."""
        if not self._inherits or told["outcome"]["kind"] != "Succeeded":
            return None
        try:
            return self._checkpoint.rest()
        except ParcelTooLargeError as error:
            told["outcome"] = checkpoint_lost(error)
            return None

    def cleanup(self) -> None:
        """End everything."""
        self._end()
        self._do(self._slot.close())

    def _begin(self, config: dict[str, Any]) -> None:
        self._told = queue.SimpleQueue()
        self._decision = None
        proposal = Proposal(config["number"], config["params"])
        self._checkpoint = Parcel(checkpoints_below(self._folder) / str(proposal.number))
        if config[PARCEL]:
            self._checkpoint.unpack(ray.get(config[PARCEL]))
        self._task = self._do(self._start(proposal))

    async def _start(self, proposal: Proposal) -> "asyncio.Task[None]":
        return asyncio.create_task(self._evaluate(proposal))

    async def _evaluate(self, proposal: Proposal) -> None:
        outcome = await self._slot.evaluate(proposal, self._on_report)
        self._told.put({"outcome": as_message(outcome)})

    async def _on_report(self, report: Report) -> bool:
        """Wait until Tune asks for more, or ends the trial."""
        decision: asyncio.Future[bool] = self._loop.create_future()
        self._decision = decision
        self._told.put({"step": report.step, "values": report.values})
        return await decision

    def _end(self) -> None:
        self._do(_cancelled(self._task))
        self._checkpoint.forget()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_STOP_SECONDS)


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


def slot(order: Message, folder: Path) -> LocalSlot:
    """The slot of this process, with its working directory below the folder."""
    job = TuningJob.model_validate(order["job"])
    source = Path(order["source"]) if order["source"] else None
    one = job.spec.model_copy(update={"budget": job.spec.budget.model_copy(update={"parallel_trials": 1})})
    place = Place(folder, source, checkpoints_below(folder))
    [found] = make_slots(one, trial_environment(job.spec.trial), place)
    return found


class _Lines(logging.Handler):
    """Keeps what a trial logs until it is taken; of too much the latest."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[str] = []
        output.log.addHandler(self)
        output.log.setLevel(logging.INFO)
        output.log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record.getMessage())
        del self._kept[:-_KEPT_LINES]

    def take(self) -> list[str]:
        taken, self._kept = self._kept, []
        return taken
