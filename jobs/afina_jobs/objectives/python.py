"""A Python function as the objective: a worker process that is used again from trial to trial."""

import asyncio
from collections.abc import Mapping
from typing import Any

from afina_api.reasons import TrialReason
from afina_jobs.contract import Failed, Outcome, Proposal, Pruned, Report, Succeeded, judge, text
from afina_jobs.objectives.base import InvalidObjectiveError, OnReport, Surroundings
from afina_jobs.objectives.ending import OomWatch, failure, timeout
from afina_jobs.objectives.workers import Worker

LOADING_SECONDS = 600
"""So long may the import of an entrypoint take."""


class PythonSlot:
    """Calls `module:function` in a worker, which is replaced after each failure, timeout and pruning."""

    def __init__(self, entrypoint: str, arguments: Mapping[str, Any] | None, surroundings: Surroundings) -> None:
        """With arguments, the entrypoint makes the objective from them; without, it is the objective."""
        self._order = {"entrypoint": entrypoint, "arguments": arguments, "metrics": list(surroundings.metrics)}
        self._around = surroundings
        self._worker: Worker | None = None

    async def prepare(self) -> None:
        """Import the function, in a new worker if there is none."""
        await self._ready_worker()

    async def _ready_worker(self) -> Worker:
        if self._worker:
            return self._worker
        self._around.fill_folder()
        self._worker = await Worker.start(self._around)
        try:
            await self._load(self._worker)
        except BaseException:
            await self.close()
            raise
        return self._worker

    async def _load(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(LOADING_SECONDS):
                reply = await worker.ask(self._order)
        except TimeoutError:
            reply = {"invalid": f"the import did not end within {LOADING_SECONDS} s"}
        if reply is None:
            ending = self._failure(await worker.stop(), worker, out_of_memory=False)
            reply = {"invalid": f"the process ended while importing it: {ending.message}"}
        if "invalid" in reply:
            raise InvalidObjectiveError(f"{self._order['entrypoint']} cannot be loaded: {reply['invalid']}")

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Outcome:
        """Call the function with the parameters, to its end, its timeout or its pruning."""
        outcome: Outcome | None = None
        try:
            worker = await self._ready_worker()
            worker.output.begin(f"trial {proposal.number}")
            async with asyncio.timeout(self._around.timeout_seconds):
                outcome = await self._converse(worker, proposal, on_report)
        except InvalidObjectiveError as error:
            outcome = Failed(TrialReason.CANNOT_START, text(str(error)))
        except TimeoutError:
            outcome = timeout(self._around.timeout_seconds or 0, self._around.timeout_field, worker.output.last_line)
        finally:
            if not isinstance(outcome, Succeeded):
                await self.close()
            if outcome is not None:
                self._around.forget_checkpoint(proposal.number)
        return outcome

    async def _converse(self, worker: Worker, proposal: Proposal, on_report: OnReport) -> Outcome:
        watch = OomWatch()
        folder = self._around.checkpoint(proposal.number)
        trial = {"number": proposal.number, "params": dict(proposal.params), "checkpoint": str(folder)}
        reply = await worker.ask(trial)
        while reply and "step" in reply:
            if await on_report(Report(reply["step"], tuple(reply["values"]))):
                return Pruned(f"at step {reply['step']}")
            reply = await worker.listen()
        if reply is None:
            return self._failure(await worker.stop(), worker, out_of_memory=watch.saw_kill())
        if "exception" in reply:
            return Failed(TrialReason.EXCEPTION, text(reply["exception"]))
        return judge(self._metrics(reply["metrics"]), self._around.metrics)

    def _failure(self, code: int, worker: Worker, *, out_of_memory: bool) -> Failed:
        field = self._around.memory_field
        return failure(code, worker.output.last_line, out_of_memory=out_of_memory, memory_field=field)

    def _metrics(self, returned: object) -> Mapping[str, object]:
        """A function may return the value alone, which then is the first objective's."""
        if isinstance(returned, dict):
            return returned
        return {} if returned is None else {self._around.metrics[0]: returned}

    async def close(self) -> None:
        """End the worker."""
        worker, self._worker = self._worker, None
        if worker:
            await worker.stop()
