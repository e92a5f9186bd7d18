"""What every kind of objective does."""

import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from afina_jobs.contract import Outcome, Proposal, Report

OnReport = Callable[[Report], Awaitable[bool]]
"""Is told each intermediate value, and answers whether the trial shall be ended for it."""


class InvalidObjectiveError(Exception):
    """The objective cannot be loaded; the message says why and what to do."""


class Slot(Protocol):
    """Evaluates trials, one at a time, in a working directory of its own.

    Cancelling any of its methods ends the trial's processes before it returns.
    """

    async def prepare(self) -> None:
        """Load what can be loaded before a trial is spent.

        Raises:
            InvalidObjectiveError: it cannot be loaded.
        """

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Outcome:
        """Run one trial to its end, its timeout or its pruning."""

    async def close(self) -> None:
        """End every process."""


@dataclass(frozen=True)
class Surroundings:
    """Where trials of a slot run, and what is asked of them."""

    metric: str
    """The objective's metric."""
    env: Mapping[str, str]
    """Environment variables, all of them."""
    folder: Path
    """The slot's working directory."""
    source: Path | None
    """Folder of the files that a trial needs."""
    timeout_seconds: int | None
    """How long one trial may take."""
    timeout_field: str = "trial.timeoutSeconds"
    """Who says so."""

    def fill_folder(self) -> None:
        """Make the working directory, with a copy of the source files as they were given.

        A ConfigMap is mounted as links into a hidden folder, and its files cannot be executed; the copies can.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.source.iterdir() if self.source else ():
            if file.is_file() and not file.name.startswith(".."):
                shutil.copyfile(file, self.folder / file.name)
                (self.folder / file.name).chmod(0o755)
