"""The driver's part of an AutoMLJob's status. Pure."""

from typing import Any

from afina_api.automljob import AutoMLJobStatus, AutoMLSummary, MetricValue, Quantized
from afina_api.base import drivers_part
from afina_jobs.automl.learn import Progress
from afina_jobs.automl.metrics import GREATER_IS_BETTER

MAX_LEADERS = 10
MAX_SCORES = 20
_MAX_MESSAGE = 512


def status(progress: Progress) -> dict[str, Any]:
    """The status as JSON."""
    small = progress.quantized
    found = AutoMLJobStatus(
        conditions=[],
        leaderboard=[line.entry() for line in progress.leaderboard[:MAX_LEADERS]] or None,
        scores=[MetricValue(name=name, value=value) for name, value in list(progress.scores.items())[:MAX_SCORES]]
        or None,
        quantized=small and Quantized(promoted=small.promoted, message=small.message[:_MAX_MESSAGE]),
        model=progress.model,
        summary=AutoMLSummary(best=_best(progress), models=_models(progress)),
        tracking=progress.tracking,
    )
    return drivers_part(found)


def _best(progress: Progress) -> str:
    leader = next((line for line in progress.leaderboard if line.name == progress.chosen), None)
    if leader:
        return f"{leader.name} {progress.metric} {leader.score:.6g}"
    known = [(standing.best_loss, standing.family) for standing in progress.standings if standing.best_loss is not None]
    if not known:
        return ""
    loss, family = min(known)
    return f"{family} {progress.metric} {-loss if GREATER_IS_BETTER[progress.metric] else loss:.6g}"


def _models(progress: Progress) -> str:
    return str(sum(standing.begun for standing in progress.standings)) if progress.standings else ""
