"""What every kind of objective does."""

import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from afina_jobs.contract import Ending, Outcome, Proposal, Report

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

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Ending:
        """Run one trial to its end, its timeout or its pruning, or until it is lost."""

    async def close(self) -> None:
        """End every process."""


class LocalSlot(Slot, Protocol):
    """One in this pod, which loses no trial: it would be lost itself."""

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Outcome:
        """Run one trial to its end, its timeout or its pruning."""


@dataclass(frozen=True)
class Place:
    """Where a search lives."""

    workspace: Path
    """Folder for the trials' working directories."""
    source: Path | None
    """Folder of the trials' files."""
    checkpoints: Path
    """Folder that outlives the driver, for what trials want to find again when they are run again, or go on from."""

    def inherit_checkpoint(self, number: int, parent: int) -> None:
        """Begin the checkpoint of a trial with a copy of its parent's, as a whole. One that is there already stays.

        Raises:
            OSError: it cannot be copied; the trial has none then.
        """
        own, theirs = self.checkpoints / str(number), self.checkpoints / str(parent)
        if own.exists() or not theirs.exists():  # a parent may have written nothing
            return
        arriving = own.with_name(f"{number}.arriving")
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.copytree(theirs, arriving, symlinks=True)
        arriving.rename(own)

    def keep_checkpoints(self, needed: Collection[int], trials: int) -> None:
        """Of the first so many trials, remove the checkpoints of all that are not needed."""
        for folder in self.checkpoints.iterdir() if self.checkpoints.exists() else ():
            number = folder.name.removesuffix(".arriving")
            if number.isdecimal() and int(number) < trials and int(number) not in needed:
                shutil.rmtree(folder, ignore_errors=True)

    def forget_checkpoints(self) -> None:
        """Remove all of them: the search has ended, and none is run again."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


@dataclass(frozen=True)
class Surroundings:
    """Where trials of a slot run, and what is asked of them."""

    metrics: Sequence[str]
    """The objectives' metrics."""
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
    memory_field: str = "trial.resources.memory"
    """Who says how much memory there is."""
    checkpoints: Path | None = None
    """Folder of the trials' checkpoints, whose owner removes them. Unset: they are beside the working directory, until
    their trial has ended."""

    def checkpoint(self, number: int) -> Path:
        """The folder of a trial's checkpoint; what an earlier run of that trial left is in it."""
        found = self._checkpoint(number)
        found.mkdir(parents=True, exist_ok=True)
        return found

    def forget_checkpoint(self, number: int) -> None:
        """Remove the checkpoint of a trial that has ended, unless it is in a folder that somebody else looks after."""
        if self.checkpoints is None:
            shutil.rmtree(self._checkpoint(number), ignore_errors=True)

    def _checkpoint(self, number: int) -> Path:
        return (self.checkpoints or self.folder.with_name(f"{self.folder.name}.checkpoints")) / str(number)

    def fill_folder(self) -> None:
        """Make the working directory, with a copy of the source files as they were given.

        A ConfigMap is mounted as links into a hidden folder, and its files cannot be executed; the copies can.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.source.iterdir() if self.source else ():
            if file.is_file() and not file.name.startswith(".."):
                shutil.copyfile(file, self.folder / file.name)
                (self.folder / file.name).chmod(0o755)
