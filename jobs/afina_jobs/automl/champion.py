"""Whether a model may become champion. Decides from predictions of the same holdout; knows no registry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from afina_api.automljob import Promotion
from afina_jobs.automl.metrics import GREATER_IS_BETTER, loss, row_losses, score
from afina_models.arrays import Array

RESAMPLES = 1000
_MAX_ROWS = 20_000


@dataclass(frozen=True)
class Promoted:
    """The decision, and why."""

    champion: bool
    message: str


def decide(promotion: Promotion | None, scores: Mapping[str, float], p_value: float | None) -> Promoted:
    """Whether the model becomes champion.

    Args:
        promotion: of the spec.
        scores: of the model on the holdout.
        p_value: of the test against the present champion; None where there is none.
    """
    if promotion is None:
        return Promoted(champion=False, message="spec.promotion is unset")
    for wanted in promotion.thresholds:
        reached = scores.get(wanted.metric)
        if reached is None or loss(wanted.metric, reached) > loss(wanted.metric, wanted.value):
            side = "at least" if GREATER_IS_BETTER[wanted.metric] else "at most"
            return Promoted(False, f"{wanted.metric} is {reached}, and should be {side} {wanted.value:g}")
    if p_value is None:
        return Promoted(True, "it keeps the thresholds, and there is no champion yet")
    verdict = f"the test against the present champion has p {p_value:.4f} (alpha {promotion.alpha:g})"
    return Promoted(p_value <= promotion.alpha, verdict)


def paired_bootstrap(
    metric: str,
    target: Array,
    challenger: Array,
    champion: Array,
    groups: Array | None,
    seed: int,
    thresholds: tuple[float, float] = (0.5, 0.5),
) -> float:
    """One-sided p-value of "the challenger is not better", by the paired bootstrap.

    After Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 16.
    Rows of the holdout are drawn with replacement (ranking: whole queries), both models are scored on the same draw,
    and it is counted how often the challenger is not better. It works for every metric, AUC and F1 too, which are no
    means over rows. (count + 1) / (draws + 1), so that it is never 0.

    Each model chooses classes by its own threshold; the challenger's comes first.
    """
    ours = row_losses(metric, target, challenger, thresholds[0])
    theirs = row_losses(metric, target, champion, thresholds[1])
    worse = 0
    for rows, queries in _draws(len(target), groups, np.random.default_rng(seed)):
        if ours is not None and theirs is not None:
            gain = float(np.mean(theirs[rows] - ours[rows]))
        else:
            one, other = (
                loss(metric, score(metric, target[rows], said[rows], queries, threshold))
                for said, threshold in zip((challenger, champion), thresholds, strict=True)
            )
            gain = other - one
        worse += not gain > 0  # nor where it is no number
    return (worse + 1) / (RESAMPLES + 1)


def _draws(rows: int, groups: Array | None, rng: np.random.Generator) -> Iterator[tuple[Array, Array | None]]:
    """Rows, and for ranking the query of each."""
    if groups is None:
        count = min(rows, _MAX_ROWS)
        yield from ((rng.integers(0, count, count), None) for _ in range(RESAMPLES))
        return
    units = [np.flatnonzero(groups == query) for query in np.unique(groups)]
    for _ in range(RESAMPLES):
        drawn = [units[index] for index in rng.integers(0, len(units), len(units))]
        yield np.concatenate(drawn), np.repeat(np.arange(len(drawn)), [len(unit) for unit in drawn])
