"""Weights of an ensemble by greedy selection (Caruana et al., Ensemble Selection from Libraries of Models, 2004).

Beginning with nothing, the model that helps the mean most is added again and again; how often one was added is its
weight. Selection with replacement on out-of-fold predictions hardly overfits, and most models get no weight.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from afina_jobs.automl.metrics import loss, score
from afina_models.arrays import Array

ROUNDS = 40
MAX_MEMBERS = 8
_MAX_ROWS = 20_000
_MAX_QUERIES = 500


def select(predicted: Sequence[Array], target: Array, groups: Array | None, metric: str, seed: int) -> dict[int, float]:
    """Weights by position; those without weight are not in it.

    Args:
        predicted: of each model, of the same rows.
        target: of these rows.
        groups: ranking: the query of each row.
        metric: what to improve.
        seed: of the sample of rows that are looked at when there are many.
    """
    rows = _sample(len(target), groups, seed)
    parts = [part[rows] for part in predicted]
    truth, queries = target[rows], None if groups is None else groups[rows]
    chosen: list[int] = []
    reached: list[float] = []
    total = np.zeros_like(parts[0])
    for count in range(1, ROUNDS + 1):
        known = sorted(set(chosen))
        allowed = known if len(known) == MAX_MEMBERS else range(len(parts))
        losses = {i: loss(metric, score(metric, truth, (total + parts[i]) / count, queries)) for i in allowed}
        best = min(losses, key=lambda index: losses[index])
        total = total + parts[best]
        chosen.append(best)
        reached.append(losses[best])
    kept = chosen[: int(np.argmin(reached)) + 1]
    return {index: times / len(kept) for index, times in sorted(Counter(kept).items())}


def _sample(rows: int, groups: Array | None, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    if groups is not None:
        known = np.unique(groups)
        kept = known if len(known) <= _MAX_QUERIES else rng.choice(known, _MAX_QUERIES, replace=False)
        return np.flatnonzero(np.isin(groups, kept))
    return np.arange(rows) if rows <= _MAX_ROWS else np.sort(rng.choice(rows, _MAX_ROWS, replace=False))
