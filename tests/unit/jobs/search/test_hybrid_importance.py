"""Importances as Hybrid's model sees them, next to what is known of functions."""

from collections.abc import Callable, Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from afina_jobs.search.hybrid.importance import expected_importances

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0, 1),
    "y": FloatDistribution(1e-3, 1e3, log=True),
    "kind": CategoricalDistribution(["a", "b"]),
    "one": FloatDistribution(2, 2),
}


def tried(value: Callable[[Mapping[str, Any]], Any], trials: int = 60, objectives: int = 1) -> optuna.Study:
    """A study of trials at random places."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
    for _ in range(trials):
        trial = study.ask(SPACE)
        study.tell(trial, value(trial.params))
    return study


def test_shares_are_those_of_the_variance() -> None:
    # Of 6 x: 36 / 12; of a category that adds 2 in one of two cases: 1.
    found = expected_importances(tried(lambda p: 6 * p["x"] + 2 * (p["kind"] == "a")))
    assert found == {
        "x": pytest.approx(0.75, abs=0.06), "y": pytest.approx(0, abs=0.03), "kind": pytest.approx(0.25, abs=0.06)
    }  # fmt: skip


def test_both_sides_of_an_interaction_count() -> None:
    found = expected_importances(tried(lambda p: p["x"] if p["kind"] == "a" else 1 - p["x"]))
    # The mean over either is the same everywhere: alone, neither would explain anything.
    assert min(found["x"], found["kind"]) > 0.3
    assert found["y"] < 0.05


def test_a_parameter_counts_as_often_as_it_is_there() -> None:
    def conditional(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b", "c", "d"])
        always = trial.suggest_float("always", 0, 1)
        return always + (trial.suggest_float("seldom", 0, 1) if kind == "a" else 0.5)

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    study.optimize(conditional, n_trials=100)
    found = expected_importances(study)
    assert found["seldom"] / found["always"] == pytest.approx(0.25, abs=0.1)


def test_of_noise_and_of_nothing_nothing_is_said() -> None:
    numbers = iter(range(100))
    assert expected_importances(tried(lambda _: 7 * next(numbers) % 31, trials=12)) == {}
    assert expected_importances(tried(lambda _: 1.0)) == {}


def test_where_nothing_can_vary_nothing_is_said() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("one", 2, 2), n_trials=10)
    assert expected_importances(study) == {}


def test_several_objectives_are_averaged_but_those_that_are_guessed() -> None:
    numbers = iter(range(100))
    of_x = expected_importances(tried(lambda p: p["x"]))
    found = expected_importances(tried(lambda p: (p["x"], 7 * next(numbers) % 61), objectives=2))
    assert found == of_x
    both = expected_importances(tried(lambda p: (p["x"], float(p["kind"] == "a")), objectives=2))
    assert both == {
        "x": pytest.approx(0.5, abs=0.03), "y": pytest.approx(0, abs=0.03), "kind": pytest.approx(0.5, abs=0.03)
    }  # fmt: skip


def test_the_same_trials_have_the_same_shares() -> None:
    study = tried(lambda p: p["x"] * (p["kind"] == "a"), trials=20)
    assert expected_importances(study) == expected_importances(study)
