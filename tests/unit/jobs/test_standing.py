"""Decisions and words about a search, from trials alone."""

import csv
import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from afina_api.base import Tracking
from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_api.parameters import Parameter
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJobSpec
from afina_api.tuningstatus import TuningJobStatus
from afina_jobs.durations import duration
from afina_jobs.progress import remaining, trial_line
from afina_jobs.report.status import MAX_BEST_BYTES, status
from afina_jobs.results.table import write_table
from afina_jobs.search.space import axis, distribution
from afina_jobs.stopping import verdict
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON
from afina_jobs.study.standing import best
from afina_jobs.tracking.plan import KnownRun, plan
from support.searches import a_job

BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Optuna's are naive
RMSE = Objective(metric="rmse", goal="Minimize")


def trial(
    number: int,
    value: float | None = None,
    state: TrialState | None = None,
    params: dict[str, Any] | None = None,
    attrs: dict[str, Any] | None = None,
) -> FrozenTrial:
    """A trial that succeeded with a value, or, without one, failed."""
    if state is None:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
    params = params or {}
    return FrozenTrial(
        number=number,
        state=state,
        value=value,
        datetime_start=BEGIN,
        datetime_complete=BEGIN + timedelta(seconds=number) if state.is_finished() else None,
        params=params,
        distributions={name: CategoricalDistribution([found]) for name, found in params.items()},
        user_attrs=attrs or {},
        system_attrs={},
        intermediate_values={},
        trial_id=number + 100,
    )


def ended_at(seconds: int, found: FrozenTrial) -> FrozenTrial:
    found.datetime_complete = BEGIN + timedelta(seconds=seconds)
    return found


def failed(number: int) -> FrozenTrial:
    return trial(number, attrs={REASON: "ExitCode", MESSAGE: f"exit code {number}"})


def running(number: int) -> FrozenTrial:
    return trial(number, state=TrialState.RUNNING)


def pruned(number: int) -> FrozenTrial:
    return trial(number, state=TrialState.PRUNED)


PATIENT = {"max_trials": 9, "max_trials_without_improvement": 2}
AT_LEAST_2 = Objective(metric="auc", goal="Maximize", target=2)
VERDICTS: dict[str, tuple[list[FrozenTrial], Objective, dict[str, Any], Reason | None]] = {
    "goes on with nothing": ([], RMSE, {}, None),
    "goes on while trials are left": ([trial(0, 1)], RMSE, {}, None),
    "goes on while the last one runs": ([trial(0, 1), trial(1, 1), running(2)], RMSE, {}, None),
    "all trials ended": ([trial(0, 1), pruned(1), failed(2)], RMSE, {}, Reason.MAX_TRIALS_REACHED),
    "all trials ended without a value": ([failed(0), pruned(1), pruned(2)], RMSE, {}, Reason.NO_TRIAL_SUCCEEDED),
    "target just reached": ([trial(0, 2)], AT_LEAST_2, {}, Reason.TARGET_REACHED),
    "target not reached": ([trial(0, 1.99)], AT_LEAST_2, {}, None),
    "target reached from above": (
        [trial(0, 1)],
        Objective(metric="rmse", goal="Minimize", target=1),
        {},
        Reason.TARGET_REACHED,
    ),
    "target before failures": ([trial(0, 3), failed(1), failed(2)], AT_LEAST_2, {}, Reason.TARGET_REACHED),
    "as many failures as allowed": ([failed(0), running(1)], RMSE, {}, None),
    "one failure too many": ([trial(0, 1), failed(1), failed(2)], RMSE, {}, Reason.TOO_MANY_FAILED_TRIALS),
    "time is over": ([trial(0, 1), running(1)], RMSE, {"seconds": 100}, Reason.TIMEOUT_REACHED),
    "time is over with nothing": ([running(0)], RMSE, {"seconds": 100}, Reason.NO_TRIAL_SUCCEEDED),
    "time is not yet over": ([trial(0, 1)], RMSE, {"seconds": 99.9}, None),
    "grid is tried": ([trial(0, 1), trial(1, 1)], RMSE, {"combinations": 2}, Reason.SPACE_EXHAUSTED),
    "grid is as large as the budget": (
        [trial(0, 1), trial(1, 1), trial(2, 1)],
        RMSE,
        {"combinations": 3},
        Reason.MAX_TRIALS_REACHED,
    ),
    "as many without improvement as are borne": (
        [trial(0, 1), trial(1, 1), pruned(2)],
        RMSE,
        PATIENT,
        Reason.NO_IMPROVEMENT,
    ),
    "a failed trial does not count as one without improvement": (
        [trial(0, 1), trial(1, 1), failed(2)],
        RMSE,
        PATIENT,
        None,
    ),
    "improved just now": ([trial(0, 2), trial(1, 3), trial(2, 1)], RMSE, PATIENT, None),
    "the best ended last, whatever its number": (
        [ended_at(9, trial(0, 1)), trial(1, 2), trial(2, 3)],
        RMSE,
        PATIENT,
        None,
    ),
    "nothing succeeded that could be improved on": ([pruned(0), pruned(1)], RMSE, PATIENT, None),
    "regret is small": ([trial(0, 1)], RMSE, {"regret": 0.01}, Reason.REGRET_ACCEPTABLE),
    "regret is not small": ([trial(0, 1)], RMSE, {"regret": 0.011}, None),
    "target before regret": ([trial(0, 2)], AT_LEAST_2, {"regret": 0.0}, Reason.TARGET_REACHED),
    "failures before regret": (
        [trial(0, 1), failed(1), failed(2)],
        RMSE,
        {"regret": 0.0},
        Reason.TOO_MANY_FAILED_TRIALS,
    ),
    "grid has nothing good": ([failed(0), pruned(1)], RMSE, {"combinations": 2}, Reason.NO_TRIAL_SUCCEEDED),
}


@pytest.mark.parametrize(("trials", "objective", "given", "reason"), VERDICTS.values(), ids=VERDICTS)
def test_verdict(trials: list[FrozenTrial], objective: Objective, given: dict[str, Any], reason: Reason | None) -> None:
    limits = {"max_trials": 3, "max_failed_trials": 1, "timeout_seconds": 100, "acceptable_regret": 0.01}
    seen = {"seconds": 0.0, "combinations": math.inf}
    budget = Budget.model_validate(limits | {name: given[name] for name in given if name in Budget.model_fields})
    found = verdict(
        trials, [objective], budget, **seen | {name: given[name] for name in given if name not in Budget.model_fields}
    )
    assert (found and found.reason) == reason
    if found and not found.succeeded and any(trial.state == TrialState.FAIL for trial in trials):
        assert "ExitCode: exit code" in found.message


def test_of_equals_the_earliest_is_best() -> None:
    trials = [trial(0, 2), trial(1, 1), trial(2, 1), trial(3, 3), failed(4)]
    assert [found.number for found in best(trials, [RMSE], 3)] == [1, 2, 0]
    assert [found.number for found in best(trials, [AT_LEAST_2], 2)] == [3, 0]


def a_status(trials: list[FrozenTrial], *, at_rest: bool = False, tracking: Tracking | None = None) -> dict[str, Any]:
    return status(trials, [RMSE], Budget(max_trials=30), tracking, (), at_rest=at_rest)


def test_status_says_all_that_the_driver_owns_and_nothing_else() -> None:
    trials = [trial(0, 2, params={"x": 0.5, "c": "a"}), failed(1), pruned(2), running(3)]
    assert a_status(trials, tracking=Tracking(experiment_id="1", run_id="2")) == {
        "trials": {"total": 4, "running": 1, "succeeded": 1, "failed": 1, "pruned": 1},
        "best": [
            {"number": 0, "values": {"rmse": 2.0}, "params": [{"name": "x", "value": 0.5}, {"name": "c", "value": "a"}]}
        ],
        "lastFailure": {"number": 1, "reason": "ExitCode", "message": "exit code 1"},
        "summary": {"best": "rmse 2", "trials": "3/30"},
        "tracking": {"experimentId": "1", "runId": "2"},
    }


def test_status_of_nothing() -> None:
    assert a_status([]) == {
        "trials": {"total": 0, "running": 0, "succeeded": 0, "failed": 0, "pruned": 0},
        "best": [],
        "summary": {"best": "", "trials": "0/30"},
    }


def test_nothing_runs_at_rest() -> None:
    assert a_status([running(0)], at_rest=True)["trials"] == {
        "total": 1, "running": 0, "succeeded": 0, "failed": 0, "pruned": 0,
    }  # fmt: skip


def test_status_stays_small() -> None:
    params = {f"parameter-{index}": "語" * 256 for index in range(100)}
    trials = [trial(number, number, params=params) for number in range(1000)]
    trials += [trial(1000 + number, attrs={REASON: "Killed", MESSAGE: "m" * 9000}) for number in range(1000)]
    found = a_status(trials)
    assert 1 <= len(found["best"]) < 5
    assert len(json.dumps(found["best"][1:])) <= MAX_BEST_BYTES
    assert len(found["lastFailure"]["message"]) == 1024
    assert found["forecast"]["trials"] == 2000
    assert len(a_status([trial(number, number) for number in range(9)])["best"]) == 5
    TuningJobStatus.model_validate(found)


def test_line_of_a_trial() -> None:
    trials = [trial(0, 2, params={"x": 0.123456789, "c": "a"}), failed(1)]
    budget = Budget(max_trials=4, timeout_seconds=70)
    assert trial_line(trials[0], trials, [RMSE], budget, seconds=62) == (
        "trial 0 succeeded: rmse 2, best 2 (trial 0), 2/4 trials, 1 min 02 s so far, about 8 s left; x=0.123457 c=a"
    )
    assert trial_line(trials[1], trials, [RMSE], budget, seconds=1).startswith(
        "trial 1 failed: ExitCode: exit code 1, best"
    )


@pytest.mark.parametrize(
    ("ended", "seconds", "expected"), [(0, 5, 0), (2, 10, 40), (10, 100, 0), (12, 100, 0), (1, 90, 10), (1, 110, 0)]
)
def test_remaining_time(ended: int, seconds: float, expected: float) -> None:
    assert remaining(ended, Budget(max_trials=10, timeout_seconds=100), seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.7, "1 h 00 min"), (7810, "2 h 10 min")],
)
def test_duration_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


DISTRIBUTIONS = [
    ({"float": {"min": 0, "max": 1}}, FloatDistribution(0, 1)),
    ({"float": {"min": 1e-5, "max": 1, "scale": "Log"}}, FloatDistribution(1e-5, 1, log=True)),
    ({"float": {"min": 0.1, "max": 0.45, "step": 0.1}}, FloatDistribution(0.1, 0.4, step=0.1)),
    ({"float": {"min": 0, "max": 1, "step": 1e-9}}, FloatDistribution(0, 1, step=1e-9)),
    ({"int": {"min": 1, "max": 10, "step": 4}}, IntDistribution(1, 9, step=4)),
    ({"int": {"min": 1, "max": 10**12, "scale": "Log"}}, IntDistribution(1, 10**12, log=True)),
    ({"categorical": {"choices": ["a", 1]}}, CategoricalDistribution(["a", 1])),
]


@pytest.mark.parametrize(("kind", "expected"), DISTRIBUTIONS)
def test_distribution(kind: dict[str, Any], expected: object) -> None:
    assert distribution(Parameter.model_validate({"name": "x"} | kind)) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"float": {"min": 0.1, "max": 0.5, "step": 0.1}}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"float": {"min": -1, "max": 1, "step": 0.8}}, [-1, -0.2, 0.6]),
        ({"int": {"min": 1, "max": 10, "step": 4}}, [1, 5, 9]),
        ({"categorical": {"choices": ["a", 1]}}, ["a", 1]),
    ],
)
def test_axis_of_a_grid_has_as_many_values_as_the_api_says(kind: dict[str, Any], expected: list[object]) -> None:
    parameter = Parameter.model_validate({"name": "x"} | kind)
    assert list(axis(parameter)) == expected
    assert len(expected) == parameter.grid_size()


def test_table_has_a_row_for_each_trial(tmp_path: Path) -> None:
    spec = TuningJobSpec.model_validate(a_job(script="x")["spec"])
    trials = [trial(0, 2, params={"x": 0.5, "n": 3}, attrs={METRICS: {"rmse": 2, "mae": 1}}), failed(1), running(2)]
    write_table(trials, spec, tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["trial", "state", "seconds", "rmse", "x", "n", "mae", "reason", "message", "retries"],
        ["0", "complete", "0.0", "2", "0.5", "3", "1", "", "", ""],
        ["1", "fail", "1.0", "", "", "", "", "ExitCode", "exit code 1", ""],
        ["2", "running", "", "", "", "", "", "", "", ""],
    ]


def test_mlflow_lacks_what_has_ended_and_is_not_complete() -> None:
    trials = [trial(0, 1), failed(1), pruned(2), running(3)]
    runs = [
        KnownRun("a", 0, complete=True),
        KnownRun("b", 1, complete=False),
        KnownRun("d", 1, complete=False),
        KnownRun("c", 0, complete=False),
    ]
    found = plan(trials, runs)
    assert [(todo.number, run_id) for todo, run_id in found.write] == [(1, "b"), (2, None)]
    assert sorted(found.delete) == ["c", "d"]
