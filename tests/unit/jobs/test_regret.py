"""How far the best is from the best that there is, and a search that ends for it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from afina_api.objective import Objective
from afina_api.reasons import Reason
from afina_jobs.search import regret
from afina_jobs.search.regret import MIN_TRIALS, regret_bound
from afina_jobs.search.regretwatch import RegretWatch
from afina_operator.tuningjob.objects import KIND
from support.searches import Search, X, a_job

LOSS, GAIN = Objective(metric="v", goal="Minimize"), Objective(metric="v", goal="Maximize")
SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(1e-3, 10, log=True),
    "y": FloatDistribution(0, 4),
    "c": CategoricalDistribution(("a", "b")),
}


def trials(count: int, spread: float = 1.0) -> list[FrozenTrial]:
    """Trials whose best value could be 0: at x = 0.1, y = 2 and c = b. A small spread keeps them near there."""
    rng = np.random.RandomState(0)
    found = []
    for _ in range(count):
        x, y = spread * rng.uniform(-1, 1, 2)
        params = {"x": 10 ** (2 * x - 1), "y": 2 + 2 * y, "c": "b" if rng.uniform() < 1 - spread / 2 else "a"}
        value = x**2 + y**2 + (params["c"] == "a")
        found.append(create_trial(params=params, distributions=SPACE, value=value))
    return found


def best(found: Sequence[FrozenTrial]) -> float:
    return min(trial.value or 0.0 for trial in found)


@pytest.mark.parametrize(
    ("found", "by_optuna"),
    [(trials(20), 0.41062), (trials(40), 0.36991), (trials(20) + trials(30, 0.05), 0.0012485)],
    ids=["20 trials", "40 trials", "30 near the best"],
)
def test_bound_is_that_of_optuna_s_evaluator(found: list[FrozenTrial], by_optuna: float) -> None:
    # RegretBoundEvaluator(seed=0) of Optuna 5.0.0, which needs torch.
    assert regret_bound(found, LOSS, 0) == pytest.approx(by_optuna, rel=0.03)
    assert best(found) <= by_optuna


def test_the_best_is_one_that_keeps_the_constraints() -> None:
    """The model knows where all lie; what breaks a constraint is good for nothing else."""
    found = trials(20) + trials(30, 0.05)
    broken = [create_trial(value=t.value, params=t.params, distributions=SPACE, constraints={"c": 1.0}) for t in found]
    half = [bad if (one.value or 0) < 0.5 else one for one, bad in zip(found, broken, strict=True)]
    assert regret_bound(found, LOSS, 0) < 0.01
    assert regret_bound(half, LOSS, 0) > 0.5
    assert regret_bound(broken, LOSS, 0) == math.inf


def test_is_the_same_from_the_other_side_and_in_the_unit_of_the_values() -> None:
    found = trials(40)
    scaled = [create_trial(params=t.params, distributions=SPACE, value=7 - 100 * (t.value or 0)) for t in found]
    assert regret_bound(scaled, GAIN, 0) == pytest.approx(100 * regret_bound(found, LOSS, 0), rel=1e-3)


@pytest.mark.parametrize(
    "found",
    [
        [],
        trials(MIN_TRIALS - 1) + [create_trial(state=TrialState.PRUNED, value=0) for _ in range(9)],
        [create_trial(params=t.params, distributions=SPACE, value=1.0) for t in trials(MIN_TRIALS)],
        [create_trial(value=number) for number in range(MIN_TRIALS)],
    ],
    ids=["nothing", "too few succeeded", "a plateau", "nothing to choose"],
)
def test_says_nothing_of(found: list[FrozenTrial]) -> None:
    assert regret_bound(found, LOSS, 0) == math.inf


def test_is_worked_out_once_for_each_success(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def bound(found: Sequence[FrozenTrial], *_: Any) -> float:
        asked.append(len(found))
        return 0.5

    monkeypatch.setattr(regret, "regret_bound", bound)
    watch = RegretWatch(LOSS, 0)
    failed = create_trial(state=TrialState.FAIL)
    for seen in (trials(1), trials(1), [*trials(1), failed], trials(2)):
        assert watch(seen) == 0.5
    assert asked == [1, 2]


async def test_ends_a_search_that_is_near_enough(tmp_path: Path) -> None:
    files = {"train.py": "def objective(params, trial): return (params['x'] - 0.3) ** 2"}
    job = a_job(python="train:objective", trials=60, parameters=[X])
    job["spec"]["budget"]["acceptableRegret"] = 0.1
    verdict = await Search(tmp_path, job, files).run()
    assert (verdict.reason, verdict.succeeded) == (Reason.REGRET_ACCEPTABLE, True)
    assert "budget.acceptableRegret is 0.1" in verdict.message


async def test_ends_a_search_that_does_not_improve(tmp_path: Path) -> None:
    job = a_job(script="echo '{\"rmse\": 1}'", trials=60)
    job["spec"]["budget"]["maxTrialsWithoutImprovement"] = 3
    search = Search(tmp_path, job)
    verdict = await search.run()
    assert (verdict.reason, verdict.message) == (Reason.NO_IMPROVEMENT, "3 trials since trial 0 were not better")
    assert len(search.trials()) == 4


@pytest.mark.parametrize("reason", [Reason.NO_IMPROVEMENT, Reason.REGRET_ACCEPTABLE])
def test_the_operator_takes_it_for_a_success(reason: Reason) -> None:
    assert reason in KIND.good_ends
