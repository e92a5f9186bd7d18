"""The search itself: slots that evaluate trials side by side, until the budget is spent.

The study's methods block, so they run in one thread of their own; everything else is one event loop.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from optuna.trial import FrozenTrial

from afina_api.objective import Objective
from afina_api.reasons import Reason, TrialReason
from afina_api.tuningjob import TuningJobSpec
from afina_jobs.contract import Ending, Failed, Lost, Proposal, Pruned, Report, text
from afina_jobs.objectives.base import InvalidObjectiveError, Place, Slot
from afina_jobs.progress import trial_line
from afina_jobs.search.constraints import ConstraintError
from afina_jobs.search.population import needed
from afina_jobs.search.regretwatch import RegretWatch
from afina_jobs.stopping import Verdict, verdict
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import StorageFullError
from afina_jobs.study.thread import StudyThread

log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_RECORD_SECONDS = 10.0
"""So much search time may be forgotten when the driver is killed."""
_STORAGE_FULL = (
    "The finished trials are kept. Free some room, or create another TuningJob with a larger spec.storage.volume.size"
)


class Listener(Protocol):
    """Wants to know how the search stands."""

    def trials_changed(self, trials: Sequence[FrozenTrial]) -> None:
        """A trial has begun or ended. Called in the event loop; must not block."""


class Engine:
    """Runs one job's search in one process."""

    def __init__(
        self,
        ledger: Ledger,
        thread: StudyThread,
        slots: Sequence[Slot],
        place: Place,
        objectives: Sequence[Objective],
        live: Callable[[], TuningJobSpec],
        combinations: float,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """Live is asked again and again, since budget and ranges may grow; combinations is infinite for all but a
        grid.
        """
        self._ledger = ledger
        self._thread = thread
        self._slots = slots
        self._place = place
        self._objectives = objectives
        self._live = live
        self._combinations = combinations
        self._listeners = listeners
        self._regret = RegretWatch(objectives[0], ledger.seed)
        self._before = 0.0
        self._began = time.monotonic()
        self._untold = set[int]()
        """Trials that end, of which there is no line in the log yet."""

    async def run(self) -> Verdict:
        """Search to the end.

        When cancelled, running trials are ended and left to the next driver.
        """
        self._before = await self._thread(self._ledger.seconds)
        self._began = time.monotonic()
        try:
            found = await self._search()
            await self._thread(self._ledger.end_all, Pruned("the search ended before it did"))
            await self._record_time()
            await self._tidy(await self._see())
            await self._tell_rest()
        except StorageFullError as error:
            return Verdict(Reason.STORAGE_FULL, f"{error}. {_STORAGE_FULL}")
        except asyncio.CancelledError:
            await self._thread(self._ledger.release_all)
            await self._record_time()
            raise
        return found

    async def _search(self) -> Verdict:
        found = await self._look()
        if found:
            return found
        tasks: set[asyncio.Task[Verdict]] = set()
        try:
            await self._slots[0].prepare()
            tasks = {asyncio.create_task(self._serve(index, slot)) for index, slot in enumerate(self._slots)}
            tasks.add(asyncio.create_task(self._watch_clock()))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        except InvalidObjectiveError as error:
            return Verdict(Reason.INVALID_OBJECTIVE, str(error))
        except ConstraintError as error:
            return Verdict(Reason.INVALID_SPEC, str(error))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(slot.close() for slot in self._slots))

    async def _serve(self, index: int, slot: Slot) -> Verdict:
        """Evaluate trial after trial in one slot, until the search is over."""
        while True:
            proposal = await self._begin() if index < self._live().budget.parallel_trials else None
            if proposal is None:
                await asyncio.sleep(_TICK_SECONDS)  # the last trials run in other slots, and the budget may grow
                continue
            await self._see()
            ending = await self._evaluate(slot, proposal)
            if await self._runs_again(proposal.number, ending):
                continue
            self._untold.add(proposal.number)
            await self._thread(self._ledger.end_trial, proposal.number, ending)
            found = await self._look(proposal.number)
            if found:
                return found

    async def _runs_again(self, number: int, ending: Ending) -> bool:
        if not isinstance(ending, Failed | Lost):
            return False
        why = await self._thread(self._ledger.retry, number, ending)
        if why:
            log.warning("trial %d is run again for %s: %s", number, why, why.meaning)
        return why is not None

    async def _begin(self) -> Proposal | None:
        spec = self._live()
        await self._thread(self._ledger.widen, spec.parameters)
        return await self._thread(self._ledger.begin_trial, min(spec.budget.max_trials, self._combinations))

    async def _evaluate(self, slot: Slot, proposal: Proposal) -> Ending:
        if proposal.parent is not None:
            try:
                await asyncio.to_thread(self._place.inherit_checkpoint, proposal.number, proposal.parent)
            except OSError as error:
                message = f"the checkpoint of trial {proposal.parent} cannot be copied: {error}"
                return Failed(TrialReason.CHECKPOINT_LOST, text(message))
        return await slot.evaluate(proposal, partial(self._on_report, proposal.number))

    async def _on_report(self, number: int, report: Report) -> bool:
        return await self._thread(self._ledger.report, number, report)

    async def _watch_clock(self) -> Verdict:
        """Record the time as it passes, and see when it is over."""
        recorded = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if time.monotonic() - recorded >= _RECORD_SECONDS:
                await self._record_time()
                recorded = time.monotonic()
            found = await self._look()
            if found:
                return found

    async def _see(self) -> Sequence[FrozenTrial]:
        """See how the search stands, and tell whoever listens."""
        trials = await self._thread(self._ledger.trials)
        for listener in self._listeners:
            listener.trials_changed(trials)
        return trials

    async def _look(self, ended_now: int | None = None) -> Verdict | None:
        """The same, and judge whether it is over."""
        trials = await self._see()
        if ended_now is not None:
            self._tell(ended_now, trials)
            await self._tidy(trials)
        budget, seconds = self._live().budget, self._seconds()
        regret = math.inf if budget.acceptable_regret is None else await self._thread(self._regret, trials)
        return verdict(
            trials, self._objectives, budget, seconds=seconds, combinations=self._combinations, regret=regret
        )

    async def _tidy(self, trials: Sequence[FrozenTrial]) -> None:
        """Remove the checkpoints that nobody will ask for."""
        await asyncio.to_thread(self._place.keep_checkpoints, needed(trials), len(trials))

    def _tell(self, number: int, trials: Sequence[FrozenTrial]) -> None:
        self._untold.discard(number)
        log.info(trial_line(trials[number], trials, self._objectives, self._live().budget, seconds=self._seconds()))

    async def _tell_rest(self) -> None:
        """Of trials that had ended when another look found that the search was over."""
        trials = await self._thread(self._ledger.trials)
        for number in sorted(self._untold):
            if trials[number].state.is_finished():
                self._tell(number, trials)

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    async def _record_time(self) -> None:
        await self._thread(self._ledger.record_seconds, self._seconds())
