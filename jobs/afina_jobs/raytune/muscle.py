"""The driver's end of Ray Tune: hands it the ledger's proposals, and takes what becomes of them.

Ray lives in a process of its own. It may end that process at any moment, say when the head of its cluster is gone;
the driver, which keeps the accounts, only sees that trials were lost, and has them run again.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from afina_api.reasons import RetryReason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Ending, Lost, Outcome, Proposal, Pruned, Report
from afina_jobs.objectives.base import InvalidObjectiveError, OnReport, Place
from afina_jobs.objectives.output import TrialOutput
from afina_jobs.objectives.output import log as trial_log
from afina_jobs.objectives.workers import Message, Worker
from afina_jobs.raytune.order import as_outcome, order

log = logging.getLogger(__name__)

MAX_RESTARTS = 10
"""So often is Ray started again by one driver."""
_LONGEST_PAUSE_SECONDS = 5
_STOP_SECONDS = 15.0
_ENVIRONMENT = {
    # Beside each trial's actor nothing of Tune's own is written, and nothing but results is read.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",
    # A busy machine takes its time to start Ray; a head that is gone is gone.
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    # The kernel takes the trial's process alone, and the trial says why it failed; Ray would take the actor.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


class RayDiedError(Exception):
    """Ray does not stay."""


@dataclass(frozen=True)
class RaySlot:
    """Room for one trial somewhere in the Ray cluster."""

    muscle: "Muscle"

    async def prepare(self) -> None:
        """Load the objective on one of the nodes."""
        await self.muscle.ready()

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Ending:
        """Run the trial to its end."""
        return await self.muscle.evaluate(proposal, on_report)

    async def close(self) -> None:
        """End every trial, and Ray."""
        await self.muscle.close()


@dataclass
class _Trial:
    """What Tune tells of one trial; None: it was lost."""

    told: "asyncio.Queue[Message | None]" = field(default_factory=asyncio.Queue)


class Muscle:
    """The process in which Ray and Tune run: started when it is first needed, and again when it dies."""

    def __init__(self, job: TuningJob, env: Mapping[str, str], place: Place, ray_address: str) -> None:
        """With an address, trials run on the workers of that cluster; without, Ray is started here."""
        self._order = order(job, place, ray_address)
        self._folder = place.workspace / "ray"
        # The pod of a cluster's driver has its token; a Ray of our own gets one that nobody else knows.
        token = {} if ray_address else {"RAY_AUTH_TOKEN": secrets.token_hex(16)}
        given = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
        self._env = {**env, **given, **token, "RAY_AUTH_MODE": "token", **_ENVIRONMENT}
        self._worker: Worker | None = None
        self._listening: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._starts = 0
        self._trials: dict[int, _Trial] = {}

    async def ready(self) -> Worker:
        """Ray as it runs; it is started if it does not.

        Raises:
            InvalidObjectiveError: the objective cannot be loaded.
            RayDiedError: it has died too often.
        """
        async with self._starting:
            while self._worker is None:
                if self._starts > MAX_RESTARTS:
                    raise RayDiedError(f"Ray has ended {self._starts} times by itself: see the lines above")
                await asyncio.sleep(min(self._starts, _LONGEST_PAUSE_SECONDS))
                self._starts += 1
                self._worker = await self._start()
        return self._worker

    async def _start(self) -> Worker | None:
        """Ray, once the objective is loaded; None if it died before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        output = TrialOutput("ray")
        worker = await Worker.start_module("afina_jobs.raytune.runner", self._folder, self._env, output)
        try:
            reply = await worker.ask(self._order)
        except BaseException:
            await worker.stop(_STOP_SECONDS)
            raise
        if reply is None:
            log.warning("Ray ended with exit code %d while it started: %s", await worker.stop(), output.last_line)
            return None
        if "invalid" in reply:
            await worker.stop(_STOP_SECONDS)
            raise InvalidObjectiveError(reply["invalid"])
        self._listening = asyncio.create_task(self._listen(worker))
        return worker

    async def _listen(self, worker: Worker) -> None:
        while message := await worker.listen():
            if trial := self._trials.get(message["number"]):
                trial.told.put_nowait(message)
        self._worker = None
        for trial in self._trials.values():
            trial.told.put_nowait(None)
        log.warning("Ray has ended with exit code %d: %s", await worker.stop(), worker.output.last_line)

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Ending:
        """Run one trial to its end, its timeout or its pruning, or until it is lost; then its checkpoint stays."""
        worker, trial = await self.ready(), _Trial()
        self._trials[proposal.number] = trial
        try:
            await worker.tell({"evaluate": proposal.number, "params": dict(proposal.params)})
            outcome = await self._follow(proposal.number, trial, worker, on_report)
        finally:
            del self._trials[proposal.number]
        if outcome is None:
            # Where Ray has died as a whole, it is not this trial's fault.
            return Lost(RetryReason.WORKER_LOST if self._worker is worker else RetryReason.RAY_LOST)
        return outcome

    async def _follow(self, number: int, trial: _Trial, worker: Worker, on_report: OnReport) -> Outcome | None:
        """How it ended; None if it was lost."""
        while message := await trial.told.get():
            for line in message.get("lines", ()):
                trial_log.info("%s", line)
            if "step" in message:
                stop = await on_report(Report(message["step"], tuple(message["values"])))
                await worker.tell({"decide": number, "stop": bool(stop)})
                if stop:
                    return Pruned(f"at step {message['step']}")
            if "outcome" in message:
                return as_outcome(message["outcome"])
            if "lost" in message:
                log.warning("trial %d was lost with its actor: %s", number, message["lost"])
                return None
        return None

    async def close(self) -> None:
        """End every trial, and Ray."""
        if self._listening:
            self._listening.cancel()
        worker, self._worker = self._worker, None
        if worker:
            await worker.stop(_STOP_SECONDS)
