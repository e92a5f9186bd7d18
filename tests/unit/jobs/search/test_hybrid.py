"""What HybridSampler proposes."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from afina_jobs.search import HybridSampler
from afina_jobs.search.hybrid.conditions import Conditions, Declared
from afina_jobs.search.hybrid.history import Trends
from afina_jobs.search.hybrid.space import UnitSpace
from afina_jobs.search.past import History, Past

Params = Mapping[str, Any]
SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "depth": IntDistribution(1, 16),
    "kind": CategoricalDistribution(["good", "bad", "worse"]),
}


def loss(params: Params) -> float:
    """Least, 0, at a rate of 1e-2, a depth of 12 and the good kind."""
    rate, depth, kind = math.log10(params["rate"]), int(params["depth"]), ("good", "bad", "worse").index(params["kind"])
    return (rate + 2) ** 2 + ((depth - 12) / 8) ** 2 + kind


def searched(
    sampler: optuna.samplers.BaseSampler,
    trials: int,
    objective: Callable[[Params], float] = loss,
    space: dict[str, BaseDistribution] = SPACE,
    direction: Literal["minimize", "maximize"] = "minimize",
) -> optuna.Study:
    study = optuna.create_study(sampler=sampler, direction=direction)
    for _ in range(trials):
        trial = study.ask(space)
        study.tell(trial, objective(trial.params))
    return study


def mean_best(make: Callable[[int], optuna.samplers.BaseSampler], trials: int, seeds: int = 10) -> float:
    return float(np.mean([searched(make(seed), trials).best_value for seed in range(seeds)]))


def told(study: optuna.Study, params: Params, value: float) -> None:
    study.add_trial(create_trial(params=dict(params), distributions=SPACE, value=value))


def test_finds_the_optimum_sooner_than_tpe_and_random() -> None:
    hybrid = mean_best(lambda seed: HybridSampler(seed=seed), 20)
    assert hybrid < 0.5 * mean_best(lambda seed: optuna.samplers.TPESampler(seed=seed), 20)
    assert hybrid < 0.1 * mean_best(lambda seed: optuna.samplers.RandomSampler(seed=seed), 20)


def test_maximising_is_minimising_the_negative() -> None:
    least = searched(HybridSampler(seed=3), 12)
    most = searched(HybridSampler(seed=3), 12, lambda params: -loss(params), direction="maximize")
    assert [trial.params for trial in most.trials] == [trial.params for trial in least.trials]


def test_the_same_seed_proposes_the_same() -> None:
    one, same, other = (searched(HybridSampler(seed=seed), 10) for seed in (1, 1, 2))
    assert [trial.params for trial in one.trials] == [trial.params for trial in same.trials]
    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


@pytest.mark.parametrize("space", [None, SPACE], ids=["a space that it finds", "a space that it knows"])
def test_begins_at_the_centre_of_the_numbers(space: dict[str, BaseDistribution] | None) -> None:
    first = searched(HybridSampler(seed=0, search_space=space), 1).trials[0].params
    assert first["rate"] == pytest.approx(10**-2.5)
    assert first["depth"] in (8, 9)


def test_proposes_nothing_twice_until_all_is_tried() -> None:
    space: dict[str, BaseDistribution] = {
        "a": IntDistribution(0, 4),
        "b": CategoricalDistribution(["x", "y", "z"]),
    }
    study = searched(HybridSampler(seed=0, startup_trials=1), 18, lambda params: float(params["a"]), space)
    tried = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(tried[:15])) == 15
    assert len(set(tried)) == 15


def test_trials_that_run_are_not_proposed_again() -> None:
    study = searched(HybridSampler(seed=0), 12)
    running = [study.ask(SPACE).params for _ in range(6)]
    distinct = {tuple(params.values()) for params in [*running, *(trial.params for trial in study.trials[:12])]}
    assert len(distinct) == 18


def test_several_asks_at_once_spread_out() -> None:
    """Without what it believes of those that run, all would crowd around the most promising point."""
    study = searched(HybridSampler(seed=0), 15)
    rates = [math.log10(study.ask(SPACE).params["rate"]) for _ in range(6)]
    assert np.ptp(rates) > 0.1


def test_where_trials_fail_no_more_are_proposed() -> None:
    def run(fails: Callable[[Params], bool]) -> int:
        study = optuna.create_study(sampler=HybridSampler(seed=0))
        for _ in range(30):
            trial = study.ask(SPACE)
            if fails(trial.params):
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, loss(trial.params))
        return sum(trial.params["kind"] == "good" for trial in study.trials[10:])

    assert run(lambda params: params["kind"] == "good") < run(lambda params: False) / 2


def test_pruned_trials_are_learned_from() -> None:
    """All that is known of the good kind is that it was pruned."""

    def proposals(pruned: bool) -> int:
        study = optuna.create_study(sampler=HybridSampler(seed=1))
        rng = np.random.default_rng(0)
        for _ in range(12):
            rate, depth = 10 ** rng.uniform(-5, 0), int(rng.integers(1, 17))
            told(
                study,
                {"rate": rate, "depth": depth, "kind": "bad"},
                loss({"rate": rate, "depth": depth, "kind": "bad"}),
            )
            if pruned:
                params = {"rate": rate, "depth": depth, "kind": "good"}
                study.add_trial(
                    create_trial(
                        params=params, distributions=SPACE, state=TrialState.PRUNED, intermediate_values={1: 40.0}
                    )
                )
        return sum(study.ask(SPACE).params["kind"] == "good" for _ in range(8))

    assert proposals(pruned=True) < proposals(pruned=False)


@pytest.mark.parametrize("limit", [-3.5, -4.5])
def test_constraints_are_kept(limit: float) -> None:
    """The optimum without the constraint violates it."""
    study = optuna.create_study(sampler=HybridSampler(seed=0))
    for _ in range(30):
        trial = study.ask(SPACE)
        trial.set_constraint("rate", math.log10(trial.params["rate"]) - limit)
        study.tell(trial, loss(trial.params))
    late = [math.log10(trial.params["rate"]) for trial in study.trials[15:]]
    assert np.mean([rate <= limit for rate in late]) > 0.5
    assert min(abs(rate - limit) for rate in late if rate <= limit) < 0.2


def test_conditional_parameters_are_proposed_together_with_what_they_hang_on() -> None:
    """The momentum counts with one kind only, and the sampler sees it in some trials only."""

    def run(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler)
        for _ in range(25):
            trial = study.ask()
            kind = trial.suggest_categorical("kind", ["sgd", "adam"])
            rate = trial.suggest_float("rate", 1e-5, 1, log=True)
            value = (math.log10(rate) + 3) ** 2 + (kind == "adam") * 0.5
            if kind == "sgd":
                value += 4 * (trial.suggest_float("momentum", 0, 1) - 0.9) ** 2
            study.tell(trial, value)
        return float(study.best_value)

    hybrid = np.mean([run(HybridSampler(seed=seed)) for seed in range(8)])
    assert hybrid < 0.5 * np.mean([run(optuna.samplers.RandomSampler(seed=seed)) for seed in range(8)])


def test_an_earlier_search_says_nothing_of_a_parameter_that_a_condition_took_away() -> None:
    """All that it tried without a momentum was bad: that is not to be mistaken for what a momentum is good for."""
    space: dict[str, BaseDistribution] = {
        "kind": CategoricalDistribution(["sgd", "adam"]),
        "momentum": FloatDistribution(0, 1),
    }
    tried = [{"kind": "adam"}] * 4 + [{"kind": "sgd", "momentum": value / 10} for value in range(8)]
    past = Past(tried, [[9.0]] * 4 + [[value / 10] for value in range(8)])
    unit = UnitSpace(space)
    asked = [{"kind": kind, "momentum": value} for kind in ("sgd", "adam") for value in (0.1, 0.5)]
    good, worse, *bad = Trends([past], space).predict(unit.encode_all(asked))[:, 0]
    assert good < worse < bad[0] == bad[1]


def test_a_past_trial_that_broke_a_constraint_counts_as_the_worst() -> None:
    study = optuna.create_study(direction="maximize")
    for value, excess in ((1.0, 0.0), (3.0, 0.5), (2.0, -1.0)):
        trial = study.ask()
        trial.set_constraint("memory", excess)
        study.tell(trial, value)
    assert Past.of(study).values == [[-1.0], [-1.0], [-2.0]]


KINDS: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(["forest", "svm"]),
    "depth": IntDistribution(1, 9),
    "kernel": CategoricalDistribution(["linear", "rbf"]),
    "gamma": FloatDistribution(0, 1),
}
DECLARED: Declared = {"depth": [("kind", ["forest"])], "kernel": [("kind", ["svm"])], "gamma": [("kernel", ["rbf"])]}
TRIED: list[dict[str, Any]] = [
    {"kind": "forest", "depth": 7},
    {"kind": "forest", "depth": 3},
    {"kind": "svm", "kernel": "linear"},
    {"kind": "svm", "kernel": "rbf", "gamma": 0.2},
]
SETTLED: list[tuple[Params, Params]] = [
    ({"kind": "forest", "depth": 7, "kernel": "linear", "gamma": 0.9}, {"kind": "forest", "depth": 7}),
    ({"kind": "forest", "depth": 9, "kernel": "rbf", "gamma": 0.9}, {"kind": "forest", "depth": 9}),
    ({"kind": "svm", "depth": 7, "kernel": "linear", "gamma": 0.9}, {"kind": "svm", "kernel": "linear"}),
    ({"kind": "svm", "depth": 3, "kernel": "rbf", "gamma": 0.9}, {"kind": "svm", "kernel": "rbf", "gamma": 0.9}),
]


@pytest.mark.parametrize("declared", [None, DECLARED], ids=["learned", "declared"])
def test_what_depends_on_others_is_there_or_not_as_they_are(declared: Declared | None) -> None:
    """A parameter that is not there itself takes none away."""
    space = UnitSpace(KINDS)
    tried = TRIED if declared is None else []
    conditions = Conditions.of(space, space.encode_all(tried), space.lacking(tried), declared)
    found = conditions.settle(space.encode_all([drawn for drawn, _ in SETTLED]))
    assert found.tolist() == space.encode_all([settled for _, settled in SETTLED]).tolist()


def test_all_conditions_must_hold() -> None:
    space = UnitSpace(KINDS)
    both: Declared = {"gamma": [("kind", ["svm"]), ("depth", [1, 2])]}
    conditions = Conditions.of(space, space.encode_all([]), space.lacking([]), both)
    drawn: list[Params] = [
        {"kind": kind, "depth": depth, "gamma": 0.2} for kind in ("forest", "svm") for depth in (2, 3)
    ]
    assert conditions.settle(space.encode_all(drawn))[:, 3].tolist() == [0.5, 0.5, 0.2, 0.5]


def test_two_objectives_spread_along_the_front() -> None:
    """The front is y = 0; a share of random points lie near it."""

    def front(sampler: optuna.samplers.BaseSampler) -> list[float]:
        study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
        for _ in range(30):
            trial = study.ask({"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)})
            x, y = trial.params["x"], trial.params["y"]
            study.tell(trial, (x + 2 * y, 1 - (1 - x) ** 2 - 2 * y))
        return sorted(trial.params["x"] for trial in study.trials if trial.params["y"] < 0.05)

    found = front(HybridSampler(seed=0))
    assert len(found) > 2 * len(front(optuna.samplers.RandomSampler(seed=0)))
    assert found[0] < 0.1
    assert found[-1] > 0.9
    assert max(np.diff(found)) < 0.4


def test_a_wide_spread_of_values_and_infinite_ones_do_no_harm() -> None:
    study = searched(
        HybridSampler(seed=0), 25, lambda params: math.inf if params["kind"] == "worse" else 10 ** (4 * loss(params))
    )
    assert study.best_value < 100
    assert sum(trial.params["kind"] == "worse" for trial in study.trials[10:]) < 5


def test_a_long_search_models_a_part_of_its_trials() -> None:
    study = optuna.create_study(sampler=HybridSampler(seed=0))
    rng = np.random.default_rng(0)
    for _ in range(600):
        params = {"rate": 10 ** rng.uniform(-5, 0), "depth": int(rng.integers(1, 17)), "kind": "worse"}
        told(study, params, loss(params))
    best = min(loss(study.ask(SPACE).params) for _ in range(3))
    assert best < study.best_value


class TestHistory:
    """Earlier studies."""

    def test_shortens_a_search(self) -> None:
        earlier = [searched(HybridSampler(seed=7), 25, lambda params: 3 * loss(params) + 100)]
        warm = [
            searched(HybridSampler(seed=seed, search_space=SPACE, history=earlier), 3).best_value for seed in range(5)
        ]
        cold = [searched(HybridSampler(seed=seed), 6).best_value for seed in range(5)]
        assert np.mean(warm) < np.mean(cold)

    def test_maps_parameters_by_name(self) -> None:
        """The earlier search had one more parameter, one less, another range and a choice that is gone."""
        space: dict[str, BaseDistribution] = {
            "rate": FloatDistribution(1e-9, 10, log=True),
            "extra": FloatDistribution(0, 1),
            "kind": CategoricalDistribution(["gone", "bad", "good"]),
        }
        earlier = searched(
            HybridSampler(seed=7),
            30,
            lambda params: (math.log10(params["rate"]) + 2) ** 2 + (params["kind"] != "good"),
            space,
        )
        first = searched(HybridSampler(seed=0, search_space=SPACE, history=[earlier]), 1).trials[0].params
        assert math.log10(first["rate"]) == pytest.approx(-2, abs=0.5)
        assert first["kind"] == "good"

    def test_that_misleads_is_left_out(self) -> None:
        rng = np.random.default_rng(0)
        noise = searched(optuna.samplers.RandomSampler(seed=1), 30, lambda params: float(rng.normal()))
        opposite = searched(HybridSampler(seed=7), 30, lambda params: -loss(params))
        for earlier in (noise, opposite):
            history = History([earlier])
            assert searched(HybridSampler(seed=0, search_space=SPACE, history=history), 25).best_value < 0.3
        assert history.agreement is not None
        assert history.agreement < 0

    def test_with_nothing_in_common_changes_nothing(self) -> None:
        other = searched(
            optuna.samplers.RandomSampler(seed=1), 10, lambda params: params["z"], {"z": FloatDistribution(0, 1)}
        )
        short = searched(optuna.samplers.RandomSampler(seed=1), 4)
        warm = searched(HybridSampler(seed=0, search_space=SPACE, history=[other, short]), 10)
        cold = searched(HybridSampler(seed=0, search_space=SPACE), 10)
        assert [trial.params for trial in warm.trials] == [trial.params for trial in cold.trials]

    def test_of_an_objective_to_be_maximised(self) -> None:
        earlier = searched(HybridSampler(seed=7), 25, lambda params: -loss(params), direction="maximize")
        assert loss(searched(HybridSampler(seed=0, search_space=SPACE, history=[earlier]), 1).trials[0].params) < 0.5
