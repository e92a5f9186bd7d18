"""The models to choose from: the best of each family, and ensembles of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from afina_jobs.automl import calibration, conformal, threshold
from afina_jobs.automl.checkpoint import Checkpoint
from afina_jobs.automl.data import Data
from afina_jobs.automl.export import Recipe, Uncertainty
from afina_jobs.automl.metrics import loss, score
from afina_jobs.automl.selection import select
from afina_jobs.automl.stacking import fit_stack, stacked_unseen
from afina_models.arrays import Array
from afina_models.combination import Combination, Weighted

MAX_SELECTABLE = 25
"""Models that the weighted ensemble is selected from, the best."""
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Candidate:
    """A model that could be chosen, as it did out of fold."""

    recipe: Recipe
    unseen: Array
    """Its predictions of the development part, each by a model that had not seen the row."""
    fold_scores: tuple[float, ...]
    fit_seconds: float

    @property
    def score(self) -> float:
        """Mean of the folds."""
        return float(np.mean(self.fold_scores))

    @property
    def interval(self) -> tuple[float, float]:
        """Student's interval of the mean. The folds share training rows, so it is rather too narrow."""
        spread = float(np.std(self.fold_scores, ddof=1)) / len(self.fold_scores) ** 0.5
        reach = float(student.ppf(0.5 + _CONFIDENCE / 2, len(self.fold_scores) - 1)) * spread
        return self.score - reach, self.score + reach


def candidates(data: Data, checkpoints: Sequence[Checkpoint], ensemble: str) -> list[Candidate]:
    """All models to choose from, the best first.

    Args:
        data: what they learned from.
        checkpoints: of all models that were judged, at least one.
        ensemble: of the spec.
    """
    metric = data.settled.problem.metric
    ranked = sorted(checkpoints, key=lambda known: (loss(metric, known.score), known.name))
    leaders = list({known.family: known for known in reversed(ranked)}.values())
    found = [_candidate(data, known.family, [known], Weighted([1.0]), known.predicted) for known in leaders]
    if ensemble in ("Auto", "Weighted") and (mixed := _weighted(data, ranked[:MAX_SELECTABLE])):
        found.append(mixed)
    if ensemble in ("Auto", "Stacking") and len(leaders) > 1:
        found.append(_stacked(data, leaders))
    return sorted(found, key=lambda known: (loss(metric, known.score), known.recipe.name))


def _weighted(data: Data, models: Sequence[Checkpoint]) -> Candidate | None:
    """None where the best mixture is one model."""
    tested, target, groups = _tested(data)
    metric, seed = data.settled.problem.metric, data.settled.seed
    weights = select([known.predicted[tested] for known in models], target, groups, metric, seed)
    if len(weights) == 1:
        return None
    chosen = [models[index] for index in weights]
    combination = Weighted(list(weights.values()))
    return _candidate(data, "Weighted", chosen, combination, combination([known.predicted for known in chosen]))


def _stacked(data: Data, models: Sequence[Checkpoint]) -> Candidate:
    problem, seed = data.settled.problem, data.settled.seed
    target = data.target[data.splits.development]
    predicted, classes = [known.predicted for known in models], len(problem.classes)
    tested, truth, _ = _tested(data)
    stack = fit_stack([part[tested] for part in predicted], truth, classes, problem.metric, seed)
    unseen = stacked_unseen(predicted, target, classes, problem.metric, seed, data.splits.folds)
    return _candidate(data, "Stacking", models, stack, unseen)


def _candidate(
    data: Data, name: str, models: Sequence[Checkpoint], combination: Combination, unseen: Array
) -> Candidate:
    members, families = tuple(known.name for known in models), tuple(known.family for known in models)
    recipe = Recipe(name, data.settled.problem, members, families, combination)
    seconds = sum(known.fit_seconds for known in models)
    return Candidate(recipe, unseen, _fold_scores(data, unseen), seconds)


def _fold_scores(data: Data, unseen: Array) -> tuple[float, ...]:
    target = data.target[data.splits.development]
    groups = None if data.groups is None else data.groups[data.splits.development]
    metric = data.settled.problem.metric
    return tuple(
        score(metric, target[test], unseen[test], None if groups is None else groups[test])
        for _, test in data.splits.folds
    )


def uncertainty(data: Data, unseen: Array) -> Uncertainty:
    """Calibration, threshold and conformal quantile, from out-of-fold predictions."""
    problem = data.settled.problem
    tested, target, _ = _tested(data)
    if problem.task == "Ranking":
        return Uncertainty()
    if problem.task == "Regression":
        return Uncertainty(half_width=conformal.half_width(target, unseen[tested]))
    positions = {row: index for index, row in enumerate(tested.tolist())}
    folds = [np.array([positions[row] for row in test.tolist()]) for _, test in data.splits.folds]
    curves, calibrated = calibration.calibrate(unseen[tested], target, folds)
    return Uncertainty(
        calibration=curves,
        threshold=threshold.choose(problem.metric, target, calibrated),
        doubt=conformal.doubt(target, calibrated),
    )


def _tested(data: Data) -> tuple[Array, Array, Array | None]:
    """The rows of the development part that a fold tests: not the first ones where there is a time."""
    tested = np.sort(np.concatenate([test for _, test in data.splits.folds]))
    rows = data.splits.development[tested]
    return tested, data.target[rows], None if data.groups is None else data.groups[rows]
