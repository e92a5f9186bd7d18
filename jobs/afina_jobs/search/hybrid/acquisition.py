"""How promising a point is, and the search for the most promising one."""

import math
from collections.abc import Callable
from itertools import islice

import numpy as np
from scipy.special import ndtr

from afina_jobs.search.hybrid.conditions import Conditions
from afina_jobs.search.hybrid.space import MISSING_CATEGORY, Floats, UnitSpace

Score = Callable[[Floats], Floats]
"""How promising points (n, d) are; shape (n,)."""
Proposable = Callable[[Floats], bool]
"""Whether a point (d,) may be proposed."""

RANDOM, NEAR_BEST, ELITE = 512, 512, 5
"""Candidates drawn evenly, those drawn around the best trials, and how many of these there are."""
REFINED, KEPT, SCALES = 128, 8, (0.1, 0.05, 0.02)
"""Candidates in each round of refinement, around how many of the most promising, and how far away."""


def log_expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Logarithm of the expected improvement below `best`; shape (n,).

    Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization (NeurIPS 2023), section 4:
    the logarithm keeps telling points apart where the improvement itself is too small for a float.
    """
    z = (best - mean) / deviation
    near = np.maximum(z, -5.0)
    direct = np.log(np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi) + near * ndtr(near))
    # Below -5 the sum cancels; it is about the density over the square of z, the first term of its series.
    far = np.minimum(z, -5.0)
    series = -0.5 * far**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-far)
    found: Floats = np.where(z > -5.0, direct, series) + np.log(deviation)
    return found


def most_promising(
    space: UnitSpace,
    score: Score,
    best: Floats,
    proposable: Proposable,
    conditions: Conditions,
    rng: np.random.Generator,
) -> Floats:
    """The point (d,) that scores highest of many drawn at random and near the best, of those that can be proposed.

    Where none of the best scores can, the space is nearly used up: then the very best comes all the same.
    """
    drawn = np.concatenate([space.random(rng, RANDOM), nearby(space, best[:ELITE], 0.1, NEAR_BEST, rng)])
    candidates = _best_of(conditions.settle(drawn), score, proposable)
    for scale in SCALES:
        refined = conditions.settle(nearby(space, candidates, scale, REFINED, rng))
        candidates = _best_of(np.concatenate([candidates, refined]), score, proposable)
    chosen: Floats = candidates[0]
    return chosen


def _best_of(points: Floats, score: Score, proposable: Proposable) -> Floats:
    """The KEPT best of the points that can be proposed, best first."""
    ranked = points[np.argsort(-score(points), kind="stable")]
    found = list(islice((point for point in ranked if proposable(point)), KEPT))
    return np.array(found) if found else ranked[:KEPT]


def nearby(space: UnitSpace, centres: Floats, scale: float, count: int, rng: np.random.Generator) -> Floats:
    """Points (count, d) that differ from one of the centres in a few parameters, by `scale` or so in the numbers.

    What a centre lacks is drawn at random: it may be there after another parameter has changed.
    """
    points = centres[rng.integers(len(centres), size=count)]
    points = np.where(points == MISSING_CATEGORY, space.random(rng, count), points)
    dimensions = points.shape[1]
    changed = rng.random(points.shape) < max(1.5 / dimensions, 0.15)
    changed[np.arange(count), rng.integers(dimensions, size=count)] = True
    moves = rng.normal(size=points.shape) * scale * np.exp(rng.normal(size=(count, 1)))
    moves = np.sign(moves) * np.maximum(np.abs(moves), space.steps)
    moved = points + moves
    moved = np.where((moved < 0) | (moved > 1), np.clip(points - moves, 0, 1), moved)
    moved = np.where(space.categorical, space.random(rng, count), moved)
    return space.snap(np.where(changed, moved, points))


def keys(points: Floats) -> list[bytes]:
    """Of each of the points (n, d) what it has in common with another of the same parameters."""
    return [row.tobytes() for row in points.round(9) + 0.0]
