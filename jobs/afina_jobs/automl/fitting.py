"""Fits the members of the candidates to all of the development part, in the worker processes."""

import asyncio
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from afina_jobs.automl.candidates import Candidate
from afina_jobs.automl.checkpoint import Checkpoint
from afina_jobs.automl.trial import EXPORT, FAMILY, ROUNDS
from afina_jobs.contract import Failed, Proposal, Report, Succeeded, Value
from afina_jobs.objectives.base import LocalSlot

log = logging.getLogger(__name__)


async def fit_members(
    slots: Sequence[LocalSlot], found: Sequence[Candidate], checkpoints: Sequence[Checkpoint], folder: Path
) -> dict[str, str]:
    """Fit each model that a candidate needs and that is not there yet; why some could not be fitted, by name."""
    needed = {name for candidate in found for name in candidate.recipe.members}
    waiting = [known for known in checkpoints if known.name in needed and not (folder / known.name).exists()]
    failed: dict[str, str] = {}

    async def serve(slot: LocalSlot) -> None:
        while waiting:
            known = waiting.pop(0)
            why = await _fit(slot, known, folder)
            if why:
                failed[known.name] = why

    await asyncio.gather(*(serve(slot) for slot in slots))
    return failed


async def _fit(slot: LocalSlot, known: Checkpoint, folder: Path) -> str | None:
    unfinished = folder / f".{known.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    params: dict[str, Value] = {**known.params, FAMILY: known.family, EXPORT: str(unfinished)}
    if known.rounds:
        params[ROUNDS] = known.rounds
    outcome = await slot.evaluate(Proposal(known.number, params), _ignore)
    if isinstance(outcome, Succeeded):
        os.replace(unfinished, folder / known.name)
        log.info("%s is fitted", known.name)
        return None
    log.warning("%s could not be fitted for good: %s", known.name, outcome.message)
    return f"{outcome.reason}: {outcome.message}" if isinstance(outcome, Failed) else outcome.message


async def _ignore(_report: Report) -> bool:
    return False
