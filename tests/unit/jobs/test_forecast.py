"""What more trials would bring, and which parameters decide."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJobSpec
from afina_api.tuningstatus import MAX_IMPORTANCES, ParameterImportance, TuningJobStatus
from afina_jobs.cli.display import summary
from afina_jobs.report import importance as watching
from afina_jobs.report.importance import ImportanceWatch
from afina_jobs.report.status import status
from afina_jobs.results import plots
from afina_jobs.stopping import Verdict
from afina_jobs.study.forecast import forecast
from afina_jobs.study.importance import importances
from afina_jobs.study.thread import StudyThread
from support.searches import a_job

RMSE = Objective(metric="rmse", goal="Minimize")
AUC = Objective(metric="auc", goal="Maximize")


def valued(values: Any) -> list[FrozenTrial]:
    """Trials with these values."""
    return [create_trial(value=float(value)) for value in values]


@pytest.mark.parametrize(("before", "after"), [(60, 100), (60, 600), (20, 200)])
def test_forecasts_what_comes_of_draws_from_an_exponential_tail(before: int, after: int) -> None:
    rng = np.random.RandomState(0)
    searches = 200
    better = worse = 0
    for _ in range(searches):
        values = -np.log(rng.uniform(size=after))
        found = forecast(valued(values[:before]), AUC, Budget(max_trials=after))
        assert found
        assert (found.trials, values[:before].max() <= found.pessimistic) == (after - before, True)
        better += values.max() > found.optimistic
        worse += values.max() < found.pessimistic
    assert better / searches == pytest.approx(0.1, abs=0.05)
    assert worse / searches < 0.15
    assert (worse > 0) == (after > 2 * before)  # of few more trials, the worst that can come is what there is


def test_forecast_leaves_out_what_breaks_a_constraint() -> None:
    values = np.random.RandomState(1).uniform(size=25)
    study = optuna.create_study()
    for value in [*values, -5.0]:
        trial = study.ask()
        trial.set_constraint("memory", 1.0 if value < 0 else 0.0)
        study.tell(trial, value)
    found = forecast(study.trials, RMSE, Budget(max_trials=50))
    assert found
    assert found.pessimistic == values.min()
    assert found.optimistic > -1


def test_forecast_is_the_same_from_the_other_side() -> None:
    values = np.random.RandomState(1).uniform(size=25)
    down, up = forecast(valued(values), RMSE, Budget()), forecast(valued(-values), AUC, Budget())
    assert down
    assert up
    assert (down.optimistic, down.pessimistic) == (-up.optimistic, -up.pessimistic)
    assert down.optimistic < down.pessimistic <= values.min()


def test_forecast_looks_at_what_the_budget_has_left_or_as_far_again() -> None:
    trials = [*valued(range(12)), create_trial(state=TrialState.FAIL), create_trial(state=TrialState.RUNNING)]
    further = [forecast(trials, RMSE, Budget(max_trials=limit)) for limit in (20, 13)]
    assert [found and found.trials for found in further] == [7, 13]


def test_forecast_ends_where_the_grid_does() -> None:
    trials = valued(range(12))
    left, none_left = (forecast(trials, RMSE, Budget(max_trials=100), combinations) for combinations in (15, 12))
    assert left
    assert left.trials == 3
    assert none_left is None


def test_forecast_reaches_further_with_more_trials_and_less_far_where_many_fail() -> None:
    trials = valued(np.random.RandomState(2).uniform(size=20))
    failed = [create_trial(state=TrialState.FAIL) for _ in range(60)]
    some, many, few_succeed = (
        forecast(found, RMSE, Budget(max_trials=limit))
        for found, limit in ((trials, 40), (trials, 400), (trials + failed, 100))
    )
    assert some
    assert many
    assert few_succeed
    assert many.optimistic < some.optimistic < few_succeed.optimistic


@pytest.mark.parametrize("trials", [[], valued(range(9)), [*valued([1] * 9), create_trial(state=TrialState.PRUNED)]])
def test_forecasts_nothing_from_too_little(trials: list[FrozenTrial]) -> None:
    assert forecast(trials, RMSE, Budget()) is None


def test_forecasts_no_change_on_a_plateau() -> None:
    found = forecast(valued([3.0] * 20), RMSE, Budget())
    assert found
    assert (found.optimistic, found.pessimistic) == (3.0, 3.0)


def a_study(trials: int, weights: dict[str, float]) -> optuna.Study:
    """A study of random trials whose value is a weighted sum of parabolas."""
    rng = np.random.RandomState(0)
    space: dict[str, BaseDistribution] = {name: FloatDistribution(0, 1) for name in weights}
    study = optuna.create_study()
    for _ in range(trials):
        params = {name: rng.uniform() for name in weights}
        value = sum(weight * (params[name] - 0.3) ** 2 for name, weight in weights.items())
        study.add_trial(create_trial(params=params, distributions=space, value=value))
    return study


def test_the_parameter_that_decides_comes_first_and_shares_sum_up() -> None:
    found = importances(a_study(40, {"noise": 0.001, "decides": 10, "helps": 2}))
    assert found[0].name == "decides"
    assert {parameter.name for parameter in found} == {"noise", "decides", "helps"}
    assert sum(parameter.value for parameter in found) == pytest.approx(1, abs=0.002)


def test_importances_stay_few() -> None:
    study = a_study(12, {f"p{index:03}": 100.0 - index for index in range(100)})
    found = importances(study)
    assert len(found) == MAX_IMPORTANCES
    assert [parameter.value for parameter in found] == sorted((p.value for p in found), reverse=True)
    TuningJobStatus.model_validate(status(study.get_trials(), [RMSE], Budget(), None, found, at_rest=True))


@pytest.mark.parametrize("study", [a_study(0, {"x": 1}), a_study(9, {"x": 1})], ids=["nothing", "nine trials"])
def test_importances_of_too_little_are_none(study: optuna.Study) -> None:
    assert importances(study) == []


def test_equal_values_make_equal_parameters() -> None:
    assert importances(a_study(20, {"x": 0, "y": 0})) == [
        ParameterImportance(name="x", value=0.5), ParameterImportance(name="y", value=0.5),
    ]  # fmt: skip


def test_the_plot_shows_what_the_status_says() -> None:
    study = a_study(20, {"x": 1, "y": 5})
    shown = plots._importances(study, "rmse").data[0].x
    assert [round(float(value), 3) for value in shown] == sorted(parameter.value for parameter in importances(study))


async def test_looks_again_when_trials_have_succeeded_and_for_the_last_time_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = a_study(20, {"x": 1, "y": 5})
    trials = study.get_trials()
    watch = ImportanceWatch(study, StudyThread())
    seen: list[int] = []

    def look(_: optuna.Study) -> list[ParameterImportance]:
        seen.append(watch._succeeded)
        return importances(study)

    monkeypatch.setattr(watching, "importances", look)
    watch.trials_changed(trials[:10])
    watch.trials_changed(trials[:11])  # while it looks
    await asyncio.sleep(0.2)
    watch.trials_changed(trials[:12])  # too soon
    await asyncio.sleep(0.2)
    assert seen in ([10], [11])
    watch._next = 0.0
    watch.trials_changed(trials[:13])
    await asyncio.sleep(0.2)
    watch._next = 0.0
    watch.trials_changed(trials[:13])  # nothing new
    watch.trials_changed(trials)
    await watch.finish()
    assert seen[1:] == [13, 20]
    assert watch.latest == importances(study)


def test_a_laptop_s_user_is_told(tmp_path: Path) -> None:
    spec = TuningJobSpec.model_validate(a_job(script="true", trials=20)["spec"])
    verdict = Verdict(Reason.MAX_TRIALS_REACHED, "20 trials have ended")
    words = "20 more trials would likely end with a best rmse between 3 and 3."
    assert words in summary(verdict, valued([3.0] * 20), spec, tmp_path)
    assert "would likely" not in summary(verdict, valued([3.0] * 9), spec, tmp_path)
