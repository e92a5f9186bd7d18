"""A command as the objective: a fresh process for each trial."""

import asyncio
import json
import shutil
from collections.abc import Sequence

from afina_api.reasons import TrialReason
from afina_api.trial import PLACEHOLDER
from afina_jobs.contract import (
    MAX_METRICS,
    Failed,
    Outcome,
    Proposal,
    Pruned,
    Report,
    arguments,
    judge,
    metrics_in,
    parameter_environment,
    report_in,
    text,
)
from afina_jobs.objectives.base import InvalidObjectiveError, OnReport, Surroundings
from afina_jobs.objectives.ending import OomWatch, failure, timeout
from afina_jobs.objectives.output import TrialOutput
from afina_jobs.process.group import ProcessGroup

_MAX_WAITING = 100
"""Reports that may wait for the storage before the program is made to wait."""


class CommandSlot:
    """Runs the spec's argv once a trial."""

    def __init__(self, argv: Sequence[str], surroundings: Surroundings) -> None:
        self._argv = argv
        self._around = surroundings

    async def prepare(self) -> None:
        """Make sure that the program exists."""
        self._around.fill_folder()
        program = self._argv[0]
        path = self._around.folder / program if "/" in program else program
        if not PLACEHOLDER.search(program) and not shutil.which(path, path=self._around.env.get("PATH")):
            raise InvalidObjectiveError(
                f"spec.trial.command.argv: there is no program {program!r}: correct it, use an image that has it, or"
                " put the file into the ConfigMap of spec.trial.source and call it as ./NAME"
            )

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Outcome:
        """Run the command to its end, its timeout or its pruning."""
        outcome = await self._run(proposal, on_report)
        self._around.forget_checkpoint(proposal.number)
        return outcome

    async def _run(self, proposal: Proposal, on_report: OnReport) -> Outcome:
        self._around.fill_folder()
        run = _Run(proposal.number, self._around.metrics)
        watch = OomWatch()
        try:
            process = await self._start(proposal, run)
        except (OSError, ValueError) as error:
            return Failed(TrialReason.CANNOT_START, text(f"{self._argv[0]} cannot be started: {error}"))
        listener = asyncio.create_task(run.listen(process, on_report))
        try:
            async with asyncio.timeout(self._around.timeout_seconds):
                await asyncio.wait({process.exited, listener}, return_when=asyncio.FIRST_COMPLETED)
            if not process.exited.done():
                return Pruned(f"at step {listener.result()}")
            run.reports.put_nowait(None)
            await listener
        except TimeoutError:
            return timeout(self._around.timeout_seconds or 0, self._around.timeout_field, run.output.last_line)
        finally:
            listener.cancel()
            await process.stop()
        code = process.exited.result()
        if code != 0:
            field = self._around.memory_field
            return failure(code, run.output.last_line, out_of_memory=watch.saw_kill(), memory_field=field)
        return judge(run.metrics, self._around.metrics, run.output.last_line)

    async def _start(self, proposal: Proposal, run: "_Run") -> ProcessGroup:
        # Beside the working directory, where no file of the user's can have the name.
        file = self._around.folder.with_suffix(".params.json")
        file.write_text(json.dumps(proposal.params))
        own = {
            "AFINA_TRIAL_NUMBER": str(proposal.number),
            "AFINA_PARAMS_FILE": str(file),
            "AFINA_CHECKPOINT_DIR": str(self._around.checkpoint(proposal.number)),
        }
        return await ProcessGroup.start(
            arguments(self._argv, proposal.params),
            folder=self._around.folder,
            env={**self._around.env, **parameter_environment(proposal.params), **own},
            on_output=run.on_output,
            on_error=run.output,
        )

    async def close(self) -> None:
        """Nothing outlives a trial."""


class _Run:
    """What one process has told so far."""

    def __init__(self, number: int, wanted: Sequence[str]) -> None:
        self._wanted = wanted
        self.output = TrialOutput(f"trial {number}")
        self.metrics: dict[str, object] = {}
        self.reports: asyncio.Queue[Report | None] = asyncio.Queue()
        self._process: ProcessGroup | None = None

    def on_output(self, line: str) -> None:
        found = metrics_in(line, self._wanted)
        if found is None:
            self.output(line)
        elif "step" in found:
            self._on_report(report_in(found, self._wanted))
        else:
            self.metrics |= {name: value for name, value in found.items() if self._has_room_for(name)}

    def _on_report(self, report: Report | None) -> None:
        if report:
            self.reports.put_nowait(report)
        if self._process and self.reports.qsize() > _MAX_WAITING:
            self._process.output.pause()

    def _has_room_for(self, name: str) -> bool:
        return name in self._wanted or name in self.metrics or len(self.metrics) < MAX_METRICS

    async def listen(self, process: ProcessGroup, on_report: OnReport) -> int | None:
        """Pass the reports on until one of them ends the trial; its step."""
        self._process = process
        while report := await self.reports.get():
            if await on_report(report):
                return report.step
            if self.reports.empty():
                process.output.resume()
        return None
