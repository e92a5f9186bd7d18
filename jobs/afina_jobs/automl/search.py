"""The search over all families: each has a study of its own in one storage, and all share the slots.

What runs a trial is the tuning engine's: its ledgers, its samplers, its worker processes.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from optuna.storages import RDBStorage
from optuna.trial import TrialState

from afina_api.automljob import AutoMLJob
from afina_api.tuningjob import TuningJob
from afina_jobs.automl.metrics import GREATER_IS_BETTER, loss
from afina_jobs.automl.models.base import Family
from afina_jobs.automl.standing import Standing, next_family
from afina_jobs.automl.trial import FAMILY
from afina_jobs.contract import Proposal, Pruned, Report
from afina_jobs.objectives.base import LocalSlot, Surroundings
from afina_jobs.objectives.python import PythonSlot
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.standing import failure_text, last_failure
from afina_jobs.study.thread import StudyThread

log = logging.getLogger(__name__)

ENTRYPOINT = "afina_jobs.automl.trial:objective"
_TICK_SECONDS = 0.5
_RECORD_SECONDS = 10.0
_LONGEST_SHARE, _LEAST_SECONDS = 0.25, 10
_LONGEST_WORDS = f"a quarter of spec.budget, or {_LEAST_SECONDS} s where that is more"
"""Of the budget, that one model may take."""
_UNTRIED_SHARE = 0.5
"""Of the budget: after it no family is begun with that has not been tried."""


@dataclass(frozen=True)
class Limits:
    """When the search is over."""

    seconds: float
    models: float
    """Infinite where nobody said."""


def make_slot(
    metric: str, env: Mapping[str, str], folder: Path, settled: Path, timeout_seconds: int | None
) -> LocalSlot:
    """A slot that judges or exports models of the data that was settled in a folder."""
    around = Surroundings(
        [metric], env, folder, None, timeout_seconds, timeout_field=_LONGEST_WORDS, memory_field="resources.memory"
    )
    return PythonSlot(ENTRYPOINT, {"folder": str(settled)}, around)


def trial_timeout(seconds: float) -> int:
    """How long one model may take, of a budget of so many seconds."""
    return max(_LEAST_SECONDS, math.ceil(_LONGEST_SHARE * seconds))


def open_ledgers(job: AutoMLJob, metric: str, families: Sequence[Family], storage: RDBStorage) -> dict[str, Ledger]:
    """The study of each family, whose first trial is the family's default."""
    return {family.name: Ledger(storage, _study_job(job, metric, family)) for family in families}


def _study_job(job: AutoMLJob, metric: str, family: Family) -> TuningJob:
    default = [{"name": name, "value": value} for name, value in family.default.items()]
    return TuningJob.model_validate(
        {
            "apiVersion": job.api_version,
            "kind": "TuningJob",
            "metadata": {**job.metadata.model_dump(), "name": family.name.lower()},
            "spec": {
                "objectives": [{"metric": metric, "goal": "Maximize" if GREATER_IS_BETTER[metric] else "Minimize"}],
                "parameters": family.space,
                "initialConfigs": [{"params": default}],
                "algorithm": {"name": "TPE", "seed": job.spec.seed},
                "trial": {"python": {"entrypoint": ENTRYPOINT}},
            },
        }
    )


class Search:
    """Runs models in the slots until the budget is spent."""

    def __init__(
        self,
        ledgers: Mapping[str, Ledger],
        thread: StudyThread,
        slots: Sequence[LocalSlot],
        metric: str,
        limits: Limits,
        on_change: Callable[[Sequence[Standing]], None],
    ) -> None:
        self._ledgers = ledgers
        self._thread = thread
        self._slots = slots
        self._metric = metric
        self._limits = limits
        self._on_change = on_change
        self._mine: set[tuple[str, int]] = set()
        self._choosing = asyncio.Lock()
        self._before = 0.0
        self._began = time.monotonic()

    async def run(self) -> None:
        """Search to the end. When cancelled, running models are ended and left to the next driver."""
        self._before = await self._thread(self._clock.seconds)
        self._began = time.monotonic()
        watch = asyncio.create_task(self._watch_clock())
        work = asyncio.create_task(self._serve_all())
        try:
            await asyncio.wait({watch, work}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._stop([work, watch])
            for ledger in self._ledgers.values():
                await self._thread(ledger.release_all)
            raise
        if work.done():
            work.result()
        await self._stop([work, watch])
        for ledger in self._ledgers.values():
            await self._thread(ledger.end_all, Pruned("the search ended before it did"))

    async def standings(self) -> list[Standing]:
        """How the families stand."""
        return [await self._thread(self._standing, name, ledger) for name, ledger in self._ledgers.items()]

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._record_time()

    async def _serve_all(self) -> None:
        await asyncio.gather(*(self._serve(slot) for slot in self._slots))

    async def _serve(self, slot: LocalSlot) -> None:
        while True:
            async with self._choosing:
                chosen = await self._begin()
            if chosen is None:
                return
            family, proposal = chosen
            asked = Proposal(proposal.number, {**proposal.params, FAMILY: family})
            outcome = await slot.evaluate(asked, partial(self._on_report, family, proposal.number))
            await self._thread(self._ledgers[family].end_trial, proposal.number, outcome)
            log.info("%s %d: %s", family, proposal.number, outcome)
            self._on_change(await self.standings())

    async def _begin(self) -> tuple[str, Proposal] | None:
        standings = await self.standings()
        resuming = any(standing.orphaned for standing in standings)
        if not resuming and (sum(s.begun for s in standings) >= self._limits.models or self._has_used(1, standings)):
            return None
        family = next_family(standings, late=self._has_used(_UNTRIED_SHARE, standings))
        proposal = await self._thread(self._ledgers[family].begin_trial, math.inf) if family else None
        if family is None or proposal is None:
            return None
        self._mine.add((family, proposal.number))
        return family, proposal

    def _has_used(self, share: float, standings: Sequence[Standing]) -> bool:
        """Whether so much of the time is over. Without any model it never is: there would be nothing to show for it."""
        return self._seconds() >= share * self._limits.seconds and any(s.best_loss is not None for s in standings)

    async def _on_report(self, family: str, number: int, report: Report) -> bool:
        return await self._thread(self._ledgers[family].report, number, report)

    async def _watch_clock(self) -> None:
        recorded = time.monotonic()
        while not self._has_used(1, await self.standings()):
            await asyncio.sleep(_TICK_SECONDS)
            if time.monotonic() - recorded >= _RECORD_SECONDS:
                await self._record_time()
                recorded = time.monotonic()

    def _standing(self, name: str, ledger: Ledger) -> Standing:
        trials = ledger.trials()
        values = [loss(self._metric, t.value) for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        return Standing(
            family=name,
            begun=len(trials),
            failed=sum(trial.state == TrialState.FAIL for trial in trials),
            orphaned=sum((name, trial.number) not in self._mine for trial in running),
            best_loss=min(values, default=None),
        )

    @property
    def _clock(self) -> Ledger:
        """The ledger that keeps the time of the whole search."""
        return next(iter(self._ledgers.values()))

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    async def _record_time(self) -> None:
        await self._thread(self._clock.record_seconds, self._seconds())


def failure_of(ledger: Ledger) -> str:
    """Why a family failed last; nothing where it did not."""
    failed = last_failure(ledger.trials())
    return failure_text(failed) if failed else ""
