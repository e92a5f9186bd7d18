"""Keeps the importances of parameters up to date while a search goes on."""

import asyncio
import logging
import time
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from afina_api.tuningstatus import ParameterImportance
from afina_jobs.study.importance import importances
from afina_jobs.study.thread import StudyThread

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 5.0
"""Between two looks, at least; and at least so long that they take a fiftieth of the time."""


class ImportanceWatch:
    """Looks again when trials have succeeded, but not often."""

    def __init__(self, study: optuna.Study, thread: StudyThread) -> None:
        self._study = study
        self._thread = thread
        self._succeeded = 0
        self._seen = 0
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None
        self.latest: Sequence[ParameterImportance] = ()
        """The importances as they were last seen; none while there is too little to tell."""

    def trials_changed(self, trials: Sequence[FrozenTrial]) -> None:
        """Look again soon, if there is news."""
        self._succeeded = sum(trial.state == TrialState.COMPLETE for trial in trials)
        idle = self._task is None or self._task.done()
        if self._succeeded != self._seen and idle and time.monotonic() >= self._next:
            self._task = asyncio.create_task(self._look())

    async def finish(self) -> None:
        """Look for the last time, while the study is still open."""
        if self._task:
            await self._task
        if self._succeeded != self._seen:
            await self._look()

    async def _look(self) -> None:
        self._seen, began = self._succeeded, time.monotonic()
        try:
            self.latest = await self._thread(importances, self._study)
        except (ValueError, RuntimeError) as error:  # as Optuna says that there is nothing to compare
            log.info("the importances of the parameters cannot be told: %s", error)
        self._next = time.monotonic() + max(_PAUSE_SECONDS, 50 * (time.monotonic() - began))
