"""Calibration, conformal prediction and thresholds keep what they promise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from afina_api.automljob import Limits, Promotion, Threshold
from afina_jobs.automl import champion, conformal, threshold
from afina_jobs.automl.calibration import calibrate
from afina_jobs.automl.champion import decide, paired_bootstrap
from afina_jobs.automl.metrics import log_loss, row_losses, score
from afina_jobs.automl.models import linear
from afina_jobs.automl.models.base import Order, Rows
from afina_jobs.automl.selection import select
from afina_jobs.automl.stacking import fit_stack, stacked_unseen
from afina_jobs.automl.validation import scientific
from afina_models.arrays import Array
from afina_models.calibration import Calibration
from afina_models.classes import sets
from afina_models.combination import Weighted, restored
from afina_models.formats.linear import Linear


def linear_world(seed: int, rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 5))
    return features, features @ np.arange(5) + rng.standard_t(4, size=rows)


def unseen_and_final(features: Array, target: Array, new: Array, classes: int) -> tuple[Array, Array]:
    """Out-of-fold predictions, and those of the model of all rows for new ones."""

    def fit(rows: Array) -> Linear:
        params = linear.FAMILY.default
        return linear.fit(Order(Rows(features[rows], target[rows]), classes, "", params, 0, 1))

    fold = np.arange(len(target)) % 5
    unseen = np.empty((len(target), classes) if classes else len(target))
    for number in range(5):
        unseen[fold == number] = fit(fold != number).predict(features[fold == number])
    return unseen, fit(fold >= 0).predict(new)


def test_intervals_cover_95_percent_on_average() -> None:
    covered = []
    for seed in range(20):
        features, target = linear_world(seed, 900)
        unseen, new = unseen_and_final(features[:300], target[:300], features[300:], 0)
        width = conformal.half_width(target[:300], unseen)
        covered.append(conformal.interval_coverage(target[300:], new, width))
    assert 0.93 <= np.mean(covered) <= 0.97


def test_sets_cover_95_percent_on_average() -> None:
    covered, sizes = [], []
    for seed in range(20):
        features, numbers = linear_world(seed, 900)
        target = np.digitize(numbers, [-3, 3])
        unseen, new = unseen_and_final(features[:300], target[:300], features[300:], 3)
        members = sets(new, conformal.doubt(target[:300], unseen))
        covered.append(conformal.set_coverage(target[300:], members))
        sizes.append(members.sum(axis=1).mean())
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(sizes) < 2


def test_the_quantile_has_the_finite_sample_correction() -> None:
    assert conformal.quantile(np.arange(1.0, 20.0), 0.95) == 19  # ceil(20 * 0.95)
    assert conformal.quantile(np.arange(1.0, 40.0), 0.95) == 38
    assert conformal.quantile(np.array([1.0, 2.0]), 0.95) == 2


def overconfident(rows: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=rows) * 2
    target = (rng.uniform(size=rows) < expit(odds)).astype(int)
    said = expit(3 * odds)
    return np.column_stack([1 - said, said]), target


@pytest.mark.parametrize("rows", [600, 3000])
def test_overconfidence_is_calibrated_away(rows: int) -> None:
    said, target = overconfident(rows)
    curves, unseen = calibrate(said, target, np.array_split(np.arange(rows), 5))
    new, truth = overconfident(2000, seed=1)
    assert log_loss(truth, curves(new)) < 0.8 * log_loss(truth, new)
    assert log_loss(target, unseen) < 0.8 * log_loss(target, said)
    assert Calibration(**curves.state())(new) == pytest.approx(curves(new))


def test_what_is_calibrated_stays_as_it_is_and_sums_to_one() -> None:
    rng = np.random.default_rng(0)
    said = rng.dirichlet([1, 1, 1], 1500)
    target = np.array([rng.choice(3, p=chances) for chances in said])
    curves, _ = calibrate(said, target, np.array_split(np.arange(1500), 5))
    assert curves(said).sum(axis=1) == pytest.approx(np.ones(1500))
    assert log_loss(target, curves(said)) <= log_loss(target, said) * 1.01


def test_the_threshold_is_chosen_for_the_metric() -> None:
    rng = np.random.default_rng(0)
    said = rng.uniform(size=2000) * 0.4
    target = (rng.uniform(size=2000) < said).astype(int)
    chances = np.column_stack([1 - said, said])
    chosen = threshold.choose("F1", target, chances)
    assert chosen < 0.3
    assert score("F1", target, chances, threshold=chosen) > score("F1", target, chances) + 0.2
    assert threshold.choose("LogLoss", target, chances) == 0.5
    assert threshold.choose("Accuracy", np.array([0, 1]), np.array([[0.9, 0.1], [0.1, 0.9]])) == pytest.approx(0.5)


def three_models(rows: int = 400) -> tuple[list[Array], Array]:
    rng = np.random.default_rng(0)
    target = rng.normal(size=rows)
    return [target + rng.normal(size=rows), target + rng.normal(size=rows), rng.normal(size=rows)], target


def test_greedy_selection_weighs_what_helps() -> None:
    models, target = three_models()
    weights = select(models, target, None, "RMSE", seed=0)
    assert min(weights[0], weights[1]) > weights.get(2, 0.0)
    assert sum(weights.values()) == pytest.approx(1)
    mixed = Weighted(list(weights.values()))([models[index] for index in weights])
    assert score("RMSE", target, mixed) < min(score("RMSE", target, model) for model in models)


def test_a_stack_is_judged_on_rows_it_was_not_fitted_to() -> None:
    models, target = three_models()
    folds = [(np.arange(0), part) for part in np.array_split(np.arange(400), 4)]
    unseen = stacked_unseen(models, target, 0, "RMSE", 0, folds)
    stack = fit_stack(models, target, 0, "RMSE", 0)
    assert score("RMSE", target, unseen) > score("RMSE", target, stack(models))
    assert score("RMSE", target, unseen) < min(score("RMSE", target, model) for model in models)
    assert restored(stack.state())(models) == pytest.approx(stack(models))


SCORES: dict[str, Callable[[float], float]] = {
    "LogLoss": lambda mean: mean,
    "Accuracy": lambda mean: 1 - mean,
    "RMSE": math.sqrt,
    "MAE": lambda mean: mean,
    "MAPE": lambda mean: mean,
}
"""What a metric is, by the mean of its rows' losses."""


@pytest.mark.parametrize("metric", SCORES)
def test_losses_of_rows_add_up_to_the_metric(metric: str) -> None:
    rng = np.random.default_rng(0)
    chances = rng.uniform(size=(50, 1))
    truth: Array = rng.normal(size=50)
    predicted: Array = rng.normal(size=50)
    if metric in ("LogLoss", "Accuracy"):
        truth, predicted = rng.integers(0, 2, 50), np.hstack([1 - chances, chances])
    losses = row_losses(metric, truth, predicted, 0.3)
    assert losses is not None
    assert SCORES[metric](float(np.mean(losses))) == pytest.approx(score(metric, truth, predicted, None, 0.3))


def test_only_what_is_better_beats_the_champion() -> None:
    models, target = three_models()
    good = (models[0] + models[1]) / 2
    assert paired_bootstrap("RMSE", target, good, models[2], None, seed=0) < 0.01
    assert paired_bootstrap("RMSE", target, good, good, None, seed=0) == 1
    assert paired_bootstrap("RMSE", target, models[2], good, None, seed=0) > 0.99


def test_each_model_of_a_contest_chooses_by_its_own_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "RESAMPLES", 200)  # scikit-learn takes 2 ms for an F1
    rng = np.random.default_rng(0)
    target = (rng.uniform(size=400) < 0.1).astype(np.int64)
    chance = np.clip(0.3 * target + rng.uniform(0, 0.2, size=400), 0, 1)
    said = np.column_stack([1 - chance, chance])
    assert paired_bootstrap("F1", target, said, said, None, 0) == 1
    assert paired_bootstrap("F1", target, said, said, None, 0, thresholds=(0.25, 0.5)) < 0.01
    assert paired_bootstrap("F1", target, said, said, None, 0, thresholds=(0.5, 0.25)) == 1


PROMOTION = Promotion(
    thresholds=[Threshold(metric="Accuracy", value=0.75), Threshold(metric="AUC", value=0.8)], alpha=0.05
)
DECISIONS = {
    "nobody asked": (None, {"Accuracy": 0.9, "AUC": 0.9}, None, False),
    "no champion yet": (PROMOTION, {"Accuracy": 0.8, "AUC": 0.9}, None, True),
    "a threshold is missed": (PROMOTION, {"Accuracy": 0.7, "AUC": 0.9}, None, False),
    "a metric is unknown": (PROMOTION, {"Accuracy": 0.8}, None, False),
    "clearly better": (PROMOTION, {"Accuracy": 0.8, "AUC": 0.9}, 0.01, True),
    "perhaps better": (PROMOTION, {"Accuracy": 0.8, "AUC": 0.9}, 0.2, False),
    "less is better": (Promotion(thresholds=[Threshold(metric="RMSE", value=2.0)]), {"RMSE": 1.0}, None, True),
    "less is better, and it is more": (
        Promotion(thresholds=[Threshold(metric="RMSE", value=2.0)]), {"RMSE": 3.0}, None, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECISIONS.values(), ids=DECISIONS.keys())
def test_promotion(case: tuple[Promotion | None, dict[str, float], float | None, bool]) -> None:
    promotion, scores, p_value, expected = case
    assert decide(promotion, scores, p_value).champion is expected


def test_scientific_validation() -> None:
    truth, said = np.zeros(100), np.full(100, -0.1)
    said[0] = 9.9
    found = scientific(truth, said, Limits(min=0, max=5))
    assert found["Bias"] == pytest.approx(0)
    assert found["OutlierRate"] == 0.01
    assert found["BelowMinRate"] == 0.99
    assert found["AboveMaxRate"] == 0.01
