"""Mirrors a study into MLflow, in a thread of its own: the search neither waits for it nor fails with it.

What the study has and MLflow lacks is written; so it does not matter when MLflow was away or the driver died.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from afina_api.base import Tracking
from afina_api.tuningjob import TuningJob
from afina_jobs.tracking.patience import set_patience

if TYPE_CHECKING:
    from afina_jobs.tracking.runs import Runs

log = logging.getLogger(__name__)

_PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
_FINAL_PAUSE = 2.0


@dataclass(frozen=True)
class Ending:
    """What is written when the search has ended."""

    succeeded: bool
    artifacts: Sequence[Path]
    """Files and folders."""


class Mirror:
    """Keeps MLflow up to date with the study."""

    def __init__(self, job: TuningJob, identity: str, seed: int) -> None:
        self._job, self._identity, self._seed = job, identity, seed
        self._trials: Sequence[FrozenTrial] = ()
        self._ended = -1
        self._ending: Ending | None = None
        self._changed = threading.Event()
        self._hurry = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self.tracking: Tracking | None = None
        """Where the runs are, once MLflow has told."""
        threading.Thread(target=self._run, name="mlflow", daemon=True).start()

    def trials_changed(self, trials: Sequence[FrozenTrial]) -> None:
        """Mirror these trials soon."""
        ended = sum(trial.state.is_finished() for trial in trials)
        if ended != self._ended:
            self._trials, self._ended = list(trials), ended
            self._changed.set()

    async def finish(self, ending: Ending, seconds: float) -> None:
        """Write the rest, and try for so many seconds."""
        self._ending = ending
        self._hurry.set()
        self._changed.set()
        try:
            await asyncio.wait_for(self._done.wait(), seconds)
        except TimeoutError:
            log.warning("MLflow did not take all in %.0f s; what it has not is in the study", seconds)

    def _run(self) -> None:
        set_patience()
        runs: Runs | None = None
        failures = 0
        while True:
            self._changed.wait()
            self._changed.clear()
            ending = self._ending
            try:
                runs = runs or self._open()
                runs.write(self._trials)
                if ending:
                    runs.close(self._trials, ending.artifacts, succeeded=ending.succeeded)
                    self._loop.call_soon_threadsafe(self._done.set)
                    return
                failures = 0
            except Exception as error:  # whatever MLflow and its stack may raise
                runs = None  # what was written is looked up anew
                self._wait(failures, error)
                failures += 1

    def _open(self) -> "Runs":
        from afina_jobs.tracking.runs import Runs  # takes seconds to import

        runs = Runs(self._job, self._identity, self._seed)
        self.tracking = runs.tracking
        log.info("MLflow has the trials in experiment %s", self.tracking.experiment_id)
        return runs

    def _wait(self, failures: int, error: Exception) -> None:
        if failures == 0:
            log.warning("MLflow does not answer, the search goes on and it is tried again: %s", error)
        if self._hurry.is_set():
            time.sleep(_FINAL_PAUSE)
        else:
            self._hurry.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
        self._changed.set()
