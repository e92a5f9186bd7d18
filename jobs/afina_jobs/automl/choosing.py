"""Exports the candidates, measures them as a server would see them, and chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from afina_api.automljob import Constraints, LeaderboardEntry
from afina_api.reasons import AutoMLReason
from afina_jobs.automl import export
from afina_jobs.automl.candidates import Candidate, uncertainty
from afina_jobs.automl.data import Data
from afina_jobs.automl.features.tables import from_table, to_rows
from afina_jobs.automl.measure import SAMPLE_ROWS, measure
from afina_jobs.automl.problem import CannotLearnError
from afina_models.arrays import Array
from afina_models.digest import digest, size_bytes
from afina_models.predictor import Predictor
from afina_models.reference import reference

_MAX_MESSAGE = 256
_RELATIVE, _ABSOLUTE = 1e-5, 1e-6
"""Within which a row alone must give what it gave in the batch: sums of floats depend on their order."""


@dataclass(frozen=True)
class Standing:
    """A line of the leaderboard."""

    name: str
    score: float | None = None
    interval: tuple[float, float] | None = None
    """Confidence interval of the score."""
    fit_seconds: float | None = None
    p95_milliseconds: float | None = None
    size_bytes: int | None = None
    message: str = ""

    def entry(self) -> LeaderboardEntry:
        """The line as the status has it."""
        return LeaderboardEntry(
            model=self.name,
            score=self.score,
            fit_seconds=self.fit_seconds,
            p95_milliseconds=self.p95_milliseconds,
            size_bytes=self.size_bytes,
            message=self.message[:_MAX_MESSAGE],
        )


@dataclass(frozen=True)
class Chosen:
    """The model of the job."""

    candidate: Candidate
    folder: Path
    digest: str
    predictor: Predictor


def export_all(data: Data, found: Sequence[Candidate], fitted: Path, folder: Path) -> list[Standing]:
    """Export every candidate, measure it, and prove that it serves what it was fitted to; the leaderboard's lines.

    Raises:
        CannotLearnError: a row alone is not predicted as it is in the batch.
    """
    sample = data.frame.iloc[data.splits.holdout[:SAMPLE_ROWS]]
    folders = [folder / candidate.recipe.name for candidate in found]
    learned = reference(data.columns(data.splits.development), data.settled.types)
    for candidate, place in zip(found, folders, strict=True):
        complete = replace(candidate.recipe, uncertainty=uncertainty(data, candidate.unseen))
        export.write(complete, fitted, learned, place, data.settled.images)
    digests = {place: digest(place) for place in folders}
    columns = from_table(sample, data.settled.types)
    each_alone = [{place: known} for place, known in digests.items()]
    measured = measure(to_rows(sample[list(data.settled.types)]), each_alone, folder)
    lines = []
    for candidate, place, seen in zip(found, folders, measured, strict=True):
        require_parity(candidate.recipe.name, Predictor.load(place, digests[place]).values(columns), seen.predicted)
        lines.append(_line(candidate, seen.p95_milliseconds, size_bytes(place)))
    return lines


def _line(candidate: Candidate, p95_milliseconds: float, size: int) -> Standing:
    return Standing(
        name=candidate.recipe.name,
        score=candidate.score,
        interval=candidate.interval,
        fit_seconds=candidate.fit_seconds,
        p95_milliseconds=p95_milliseconds,
        size_bytes=size,
    )


def require_parity(name: str, batch: Array, alone: Array) -> None:
    """Make sure that rows alone are predicted as they are in the batch.

    Raises:
        CannotLearnError: they are not.
    """
    if not np.allclose(batch, alone, rtol=_RELATIVE, atol=_ABSOLUTE):
        worst = float(np.max(np.abs(batch - alone)))
        message = f"{name}: a row alone is predicted otherwise than in the batch, by up to {worst:.3g}"
        raise CannotLearnError(AutoMLReason.PARITY_BROKEN, message)


def judged(lines: Sequence[Standing], constraints: Constraints | None) -> list[Standing]:
    """The lines, with a message where a model is too slow or too large."""
    return [replace(line, message=_breach(line, constraints)) for line in lines]


def _breach(line: Standing, constraints: Constraints | None) -> str:
    limits = constraints or Constraints()
    slow, large = limits.p95_milliseconds, limits.size_bytes
    if slow is not None and line.p95_milliseconds is not None and line.p95_milliseconds > slow:
        return f"p95 {line.p95_milliseconds:.3g} ms, more than constraints.p95Milliseconds {slow:g}"
    if large is not None and line.size_bytes is not None and line.size_bytes > large:
        return f"{line.size_bytes} bytes, more than constraints.sizeBytes {large}"
    return ""


def choose(
    found: Sequence[Candidate], lines: Sequence[Standing], ensemble: str, folder: Path, only: str | None = None
) -> Chosen:
    """The best model that keeps the constraints.

    Args:
        found: the candidates, the best first.
        lines: of the leaderboard, in the same order.
        ensemble: of the spec; Weighted and Stacking want that kind if it keeps the constraints.
        folder: with the exports.
        only: the name of the one to choose: when a job is repeated.

    Raises:
        CannotLearnError: none keeps them.
    """
    allowed = [candidate for candidate, line in zip(found, lines, strict=True) if not line.message]
    wanted = [candidate for candidate in allowed if candidate.recipe.name == (only or ensemble)]
    if not allowed:
        why = "; ".join(f"{line.name}: {line.message}" for line in lines)
        raise CannotLearnError(AutoMLReason.CONSTRAINTS_UNMET, f"no model keeps spec.constraints: {why}")
    candidate = (wanted or allowed)[0]
    place = folder / candidate.recipe.name
    known = digest(place)
    return Chosen(candidate, place, known, Predictor.load(place, known))


def without(found: Sequence[Candidate], failed: Mapping[str, str]) -> list[Candidate]:
    """The candidates whose members could all be fitted."""
    return [candidate for candidate in found if not set(candidate.recipe.members) & set(failed)]
