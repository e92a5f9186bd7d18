"""A search for several objectives: its front, its knee, when it ends, and what it tells."""

import csv
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob, TuningJobSpec
from afina_api.tuningstatus import TuningJobStatus
from afina_jobs.cli.watch import ending
from afina_jobs.progress import trial_line
from afina_jobs.report.status import status
from afina_jobs.results.record import read_folder
from afina_jobs.results.table import write_table
from afina_jobs.results.write import write_results
from afina_jobs.stopping import verdict
from afina_jobs.study.front import knee_first, pareto_front
from afina_jobs.study.importance import importances
from afina_jobs.study.ledger import MESSAGE, REASON, Ledger
from afina_jobs.study.reports import reports_of
from afina_jobs.study.standing import best, front
from afina_jobs.study.storage import open_storage, sqlite_url
from support.laptop import afina
from support.searches import Search, a_job

Json = dict[str, Any]
Points = Sequence[tuple[float, ...]]

BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Optuna's are naive
RMSE, AUC = Objective(metric="rmse", goal="Minimize"), Objective(metric="auc", goal="Maximize")
TWO = [RMSE, AUC]
AS_JSON: list[Json] = [{"metric": "rmse", "goal": "Minimize"}, {"metric": "auc", "goal": "Maximize"}]


def trial(
    number: int,
    *values: float,
    state: TrialState = TrialState.COMPLETE,
    ended_at: int | None = None,
    constraints: Json | None = None,
    params: Json | None = None,
) -> FrozenTrial:
    """A trial that succeeded with some values, or ended without."""
    found = create_trial(state=state, values=values or None, user_attrs={REASON: "ExitCode", MESSAGE: "exit code 1"})
    found.number = number
    found.params = params or {}
    found.datetime_start = BEGIN
    found.datetime_complete = BEGIN + timedelta(seconds=number if ended_at is None else ended_at)
    for name, violation in (constraints or {}).items():
        found.system_attrs[f"constraints:{name}"] = violation
    return found


FRONTS: dict[str, tuple[Points, list[int]]] = {
    "nothing": ([], []),
    "one": ([(1, 1)], [0]),
    "better in both": ([(2, 2), (1, 1)], [1]),
    "each better in one": ([(1, 2), (2, 1)], [0, 1]),
    "as good in one, better in the other": ([(1, 2), (1, 1), (2, 1)], [1]),
    "of equals the first": ([(1, 1), (2, 0), (1, 1), (2, 0)], [0, 1]),
    "dominated by two that come later": ([(3, 3), (1, 4), (2, 2), (4, 1)], [1, 2, 3]),
    "one objective": ([(2,), (1,), (1,)], [1]),
    "three objectives": ([(1, 2, 3), (3, 2, 1), (3, 2, 3), (2, 2, 2)], [0, 1, 3]),
}


@pytest.mark.parametrize(("points", "expected"), FRONTS.values(), ids=FRONTS)
def test_front(points: Points, expected: list[int]) -> None:
    columns = len(points[0]) if points else 2
    assert pareto_front(np.array(points, float).reshape(-1, columns)) == expected


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


COORDINATES = st.one_of(st.integers(0, 3).map(float), st.floats(-1e6, 1e6))


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.tuples(*[COORDINATES] * k), min_size=1, max_size=40)))
def test_none_of_the_front_is_dominated_and_every_other_is_or_comes_again(points: list[tuple[float, ...]]) -> None:
    found = pareto_front(np.array(points))
    on_front = [points[index] for index in found]
    assert found == sorted(set(found))
    for index, point in enumerate(points):
        if index in found:
            assert not any(dominates(other, point) for other in points)
            assert point not in points[:index]
        else:
            assert any(dominates(other, point) for other in on_front) or point in points[:index]


KNEES: dict[str, tuple[Points, Sequence[float], list[int]]] = {
    "the bend of the front": ([(0, 10), (1, 2), (10, 0)], (1, 1), [1, 2, 0]),
    "the first of two ends": ([(0, 1), (1, 0)], (1, 1), [0, 1]),
    "the end that counts more": ([(0, 1), (1, 0)], (1, 2), [1, 0]),
    "units do not matter": ([(0, 10_000), (0.1, 2_000), (1, 0)], (1, 1), [1, 2, 0]),
    "far ends before neighbours": ([(0, 10), (0.1, 9.9), (2, 1), (2.3, 0.8), (10, 0)], (1, 1), [2, 0, 4, 3, 1]),
    "an objective that is the same for all": ([(3, 1)], (1, 1), [0]),
}


@pytest.mark.parametrize(("points", "weights", "expected"), KNEES.values(), ids=KNEES)
def test_knee_comes_first_and_then_what_is_far(points: Points, weights: Sequence[float], expected: list[int]) -> None:
    losses = np.array(points, float)
    assert knee_first(losses, weights, 9) == expected
    assert knee_first(losses, weights, 1) == expected[:1]


def test_only_what_keeps_the_constraints_is_on_the_front() -> None:
    trials = [
        trial(0, 0.1, 0.9, constraints={"slow": 1.0}),
        trial(1, 0.5, 0.5, constraints={"slow": 0.0}),
        trial(2, 0.6, 0.6, constraints={"slow": -1.0}),
        trial(3, 0.7, 0.6),
        trial(4, state=TrialState.PRUNED),
        trial(5, state=TrialState.FAIL),
    ]
    assert [found.number for found in front(trials, TWO)] == [1, 2]
    assert [found.number for found in best(trials, TWO, 5)] == [1, 2]


PATIENT = {"max_trials": 9, "max_trials_without_improvement": 2}
AIMS = [RMSE.model_copy(update={"target": 0.5}), AUC.model_copy(update={"target": 0.9})]
VERDICTS: dict[str, tuple[list[FrozenTrial], list[Objective], Json, Reason | None]] = {
    "a trial reaches all targets": ([trial(0, 0.5, 0.9)], AIMS, {}, Reason.TARGET_REACHED),
    "two trials reach one target each": ([trial(0, 0.4, 0.8), trial(1, 0.6, 0.95)], AIMS, {}, None),
    "not the knee but another reaches all": (
        [trial(0, 0.45, 0.91), trial(1, 0.2, 0.89), trial(2, 0.6, 0.99)],
        AIMS,
        {"max_trials": 9},
        Reason.TARGET_REACHED,
    ),
    "only one has a target": ([trial(0, 0.9, 0.95)], [RMSE, AIMS[1]], {}, Reason.TARGET_REACHED),
    "none has a target": ([trial(0, 0, 1)], TWO, {}, None),
    "what breaks a constraint reaches nothing": ([trial(0, 0.5, 0.9, constraints={"a": 1})], AIMS, {}, None),
    "the front has not changed": (
        [trial(0, 0.5, 0.9), trial(1, 0.6, 0.8), trial(2, state=TrialState.PRUNED)],
        TWO,
        PATIENT,
        Reason.NO_IMPROVEMENT,
    ),
    "equals do not change the front": (
        [trial(0, 0.5, 0.9), trial(1, 0.5, 0.9), trial(2, 0.5, 0.9)],
        TWO,
        PATIENT,
        Reason.NO_IMPROVEMENT,
    ),
    "the front has grown": ([trial(0, 0.5, 0.9), trial(1, 0.6, 0.8), trial(2, 0.6, 0.95)], TWO, PATIENT, None),
    "the front was changed by what ended last": (
        [trial(0, 0.4, 0.8, ended_at=9), trial(1, 0.5, 0.9), trial(2, 0.6, 0.8)],
        TWO,
        PATIENT,
        None,
    ),
    "all trials ended": ([trial(number, 1, 1) for number in range(3)], TWO, {}, Reason.MAX_TRIALS_REACHED),
}


@pytest.mark.parametrize(("trials", "objectives", "given", "reason"), VERDICTS.values(), ids=VERDICTS)
def test_verdict(trials: list[FrozenTrial], objectives: list[Objective], given: Json, reason: Reason | None) -> None:
    budget = Budget.model_validate({"max_trials": 3} | given)
    found = verdict(trials, objectives, budget, seconds=0, combinations=math.inf)
    assert (found and found.reason) == reason
    if reason == Reason.TARGET_REACHED and objectives == AIMS:
        assert found
        assert "reaches all targets: rmse 0.5, auc 0.9" in found.message


BENT = [
    trial(0, 0.9, 0.95, params={"x": 1}),
    trial(1, 0.2, 0.9, params={"x": 2}),
    trial(2, 0.1, 0.5, params={"x": 3}),
    trial(3, 0.9, 0.5, params={"x": 4}),
]


def test_status_has_the_knee_the_spread_and_the_size_of_the_front() -> None:
    found = status(BENT, TWO, Budget(), None, (), at_rest=True)
    assert found["front"] == {"size": 3}
    assert [leader["number"] for leader in found["best"]] == [1, 2, 0]
    assert found["best"][0]["values"] == {"rmse": 0.2, "auc": 0.9}
    assert found["summary"]["best"] == "rmse 0.2, auc 0.9"
    many = [trial(number, number / 500, number / 500, params={"x": "語" * 256}) for number in range(500)]
    found = status(many, TWO, Budget(), None, (), at_rest=True)
    assert found["front"] == {"size": 500}
    assert len(found["best"]) == 5
    assert "forecast" not in found
    TuningJobStatus.model_validate(found)
    long = [Objective(metric=letter * 63, goal="Minimize") for letter in "abcd"]
    found = status([trial(0, 1, 2, 3, 4)], long, Budget(), None, (), at_rest=True)
    TuningJobStatus.model_validate(found)


def test_watch_ends_with_the_knee() -> None:
    told = status(BENT, TWO, Budget(), None, (), at_rest=True)
    job = a_job(script="x", objectives=AS_JSON) | {"status": told}
    assert "Pareto front of 3, its knee: rmse 0.2, auc 0.9 (trial 1)\n  x: 2\n" in ending(job)


def test_a_folder_knows_the_weights(tmp_path: Path) -> None:
    objectives = [AS_JSON[0] | {"weight": 3}, AS_JSON[1]]
    Ledger(
        open_storage(sqlite_url(tmp_path)), TuningJob.model_validate(a_job(script="x", objectives=objectives))
    ).close()
    assert read_folder(tmp_path).objectives == [RMSE.model_copy(update={"weight": 3.0}), AUC]


def test_weights_move_the_knee() -> None:
    weighty = [RMSE, AUC.model_copy(update={"weight": 20.0})]
    assert best(BENT, weighty)[0].number == 0


def test_line_of_a_trial() -> None:
    line = trial_line(BENT[0], BENT, TWO, Budget(max_trials=4), seconds=1)
    assert line.startswith(
        "trial 0 succeeded: rmse 0.9, auc 0.95, Pareto front of 3, its knee: rmse 0.2, auc 0.9 (trial 1), 4/4 trials"
    )


def test_table_has_a_column_for_each_objective(tmp_path: Path) -> None:
    spec = TuningJobSpec.model_validate(a_job(script="x", objectives=AS_JSON)["spec"])
    write_table([trial(0, 2, 0.5), trial(1, state=TrialState.FAIL)], spec, tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["trial", "state", "seconds", "rmse", "auc", "x", "n", "reason", "message", "retries"]
    assert [row[3:5] for row in rows[1:]] == [["2", "0.5"], ["", ""]]


TRAIN = """
def objective(params, trial):
    for step in range(2):
        trial.report({"auc": params["x"], "rmse": step, "more": 1}, step)
    return {"rmse": params["x"] ** 2, "auc": params["x"], "size": params["n"]}
"""


async def test_runs_a_python_function(tmp_path: Path) -> None:
    job = a_job(python="train:objective", objectives=AS_JSON, trials=12)
    search = Search(tmp_path, job, {"train.py": TRAIN})
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    trials = search.trials()
    for found in trials:
        x = found.params["x"]
        assert found.values == [x**2, x]
        assert reports_of(found) == {0: (0.0, x), 1: (1.0, x)}
    assert len(front(trials, TWO)) == 12, "each is better than all others in one of the two"
    ledger = Ledger(open_storage(sqlite_url(tmp_path)), search.model)
    assert {one.name for one in importances(ledger.study)} == {"x", "n"}
    page, _ = write_results(ledger.study, search.model, tmp_path)
    ledger.close()
    drawn = page.read_text()
    assert "Pareto front of 12, its knee: rmse " in drawn
    for name in ("pareto_front_0_1", "param_importances", "history_0", "history_1", "slice_1", "parallel_coordinate_0"):
        assert f'id="{name}"' in drawn, name


async def test_runs_a_command(tmp_path: Path) -> None:
    script = """
echo '{"step": 1, "rmse": 3}'
echo '{"step": 2, "rmse": 3, "auc": 0.25}'
echo '{"rmse": 1}'
[ $AFINA_TRIAL_NUMBER = 1 ] || echo '{"auc": 0.5}'
"""
    search = Search(tmp_path, a_job(script=script, objectives=AS_JSON, trials=2, failures=1))
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    good, bad = search.trials()
    assert good.values == [1, 0.5]
    assert reports_of(good) == {2: (3.0, 0.25)}, "a step without a value of each objective is none"
    assert bad.user_attrs[REASON] == "MetricMissing"
    assert "it reported no value of 'auc', only of rmse" in bad.user_attrs[MESSAGE]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("trial.report(0.5, 1)", "'auc' is missing: report {'rmse': ..., 'auc': ...} at each step"),
        ("trial.report({'auc': 0.5}, 1)", "'rmse' is missing"),
        ("return 0.5", "it reported no value of 'auc', only of rmse"),
    ],
)
async def test_names_the_objective_that_is_missing(code: str, words: str, tmp_path: Path) -> None:
    files = {"train.py": f"def objective(params, trial):\n    {code}\n    return {{'rmse': 1, 'auc': 1}}\n"}
    search = Search(tmp_path, a_job(python="train:objective", objectives=AS_JSON, trials=1, failures=1), files)
    await search.run()
    assert words in search.trials()[0].user_attrs[MESSAGE]


def test_shows_the_knee_on_a_laptop(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "manifests" / "13-tuningjob-two-objectives.yaml"
    few = tmp_path / "few.yaml"
    few.write_text(example.read_text().replace("maxTrials: 30", "maxTrials: 6"))
    found = afina("run", few, "--output", tmp_path / "out")
    assert found.exit_code == 0, found.output
    assert "6 trials have ended" in found.output
    assert "Pareto front of " in found.output
    assert ", its knee: error " in found.output
