"""`afina results`, and where it finds the trials."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from afina_api.objective import Objective
from afina_api.tuningjob import TuningJob
from afina_jobs.results.cluster import from_status
from afina_jobs.results.record import Record, as_study
from afina_jobs.results.table import Columns, as_objects, as_text
from afina_jobs.results.tracked import trials_of
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON
from afina_jobs.study.retries import RETRIES
from support.laptop import a_kubectl, afina
from support.searches import a_job, stored_trials

RMSE = Objective(metric="rmse", goal="Minimize")
SPACE: dict[str, CategoricalDistribution | FloatDistribution | IntDistribution] = {
    "x": FloatDistribution(0, 1),
    "n": IntDistribution(1, 9),
    "c": CategoricalDistribution([1, True, "yes", 2.5]),
}
SCRIPT = """
[ $AFINA_TRIAL_NUMBER != 1 ] || { echo no data; exit 3; }
echo "{\\"rmse\\": 1$AFINA_TRIAL_NUMBER, \\"mae\\": 5}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `afina run` leaves of three trials, the second of which failed."""
    place = tmp_path_factory.mktemp("run")
    (place / "job.yaml").write_text(yaml.safe_dump(a_job(script=SCRIPT, failures=1)))
    assert afina("run", place / "job.yaml", "--output", place / "out").exit_code == 0
    return place / "out"


def test_shows_a_table(folder: Path) -> None:
    lines = afina("results", folder).stdout.splitlines()
    assert lines[0].split() == ["trial", "state", "seconds", "rmse", "x", "n", "mae", "reason", "message"]
    assert [line.split()[:2] for line in lines[1:]] == [["0", "complete"], ["1", "fail"], ["2", "complete"]]
    assert lines[2].endswith("ExitCode  exit code 3; last line: no data")
    assert len({line.rindex("  5") for line in (lines[1], lines[3])}) == 1


def test_gives_csv_as_the_run_did(folder: Path) -> None:
    assert afina("results", folder, "-o", "csv").stdout_bytes == (folder / "trials.csv").read_bytes()


def test_gives_json(folder: Path) -> None:
    found = json.loads(afina("results", folder, "-o", "json").stdout)
    stored = stored_trials(f"sqlite:///{folder}/study.db", TuningJob.model_validate(a_job(script=SCRIPT)))
    assert [one["params"] for one in found] == [trial.params for trial in stored]
    assert [one["values"] for one in found] == [{"rmse": 10}, {}, {"rmse": 12}]
    assert [one["metrics"] for one in found] == [{"mae": 5}, {}, {"mae": 5}]
    assert (found[1]["reason"], found[1]["message"]) == ("ExitCode", "exit code 3; last line: no data")
    assert all(one["seconds"] > 0 for one in found)


@pytest.mark.parametrize(("top", "numbers"), [(1, [0]), (2, [0, 2]), (9, [0, 2])])
def test_gives_the_best_first(folder: Path, top: int, numbers: list[int]) -> None:
    found = json.loads(afina("results", folder, "-o", "json", "--top", str(top)).stdout)
    assert [one["trial"] for one in found] == numbers


def test_reads_the_last_study_of_a_folder(tmp_path: Path) -> None:
    for name, value in (("first", 1), ("last", 2)):
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(a_job(script=f"echo '{{\"rmse\": {value}}}'", name=name)))
        assert afina("run", tmp_path / "job.yaml", "--output", tmp_path).exit_code == 0
    found = json.loads(afina("results", tmp_path, "-o", "json").stdout)
    assert [one["values"] for one in found] == [{"rmse": 2}] * 3


def test_says_what_is_no_run(tmp_path: Path) -> None:
    assert "has no study.db: give the folder that `afina run` has made" in afina("results", tmp_path).output
    (tmp_path / "study.db").write_text("no database")
    assert "cannot be read: " in afina("results", tmp_path).output
    found = afina("results", "tuningjob", "a", "b")
    assert (found.exit_code, "say `tuningjob NAME`, or the folder" in found.output) == (2, True)


def a_status(best: Sequence[int], total: int, tracked: bool) -> dict[str, Any]:
    """A TuningJob with so many trials, of which the status keeps some."""
    status: dict[str, Any] = {
        "trials": {"total": total},
        "best": [
            {"number": n, "values": {"rmse": n / 2}, "params": [{"name": "x", "value": 0.5}, {"name": "n", "value": 3}]}
            for n in best
        ],
    }
    tracking = {"tracking": {"experimentId": "1", "runId": "abc"}} if tracked else {}
    return a_job(script="x") | {"status": status | tracking}


CASES = {
    "not tracked": (a_status([4, 2], 9, tracked=False), (), "2 of 9 trials are known here: the status keeps no more"),
    "nobody says where": (a_status([4, 2], 9, tracked=True), (), "say where MLflow is, with --tracking-uri"),
    "all are known": (a_status([1, 0], 2, tracked=False), (), ""),
    "nothing has ended": (a_job(script="x"), (), ""),
}


@pytest.mark.parametrize("case", CASES)
def test_falls_back_on_the_status(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, options, note = CASES[case]
    (tmp_path / "job").write_text(json.dumps(job))
    a_kubectl(tmp_path, f"cat {tmp_path}/job", monkeypatch)
    found = afina("results", "tuningjob", "it", "-o", "csv", *options)
    assert note in found.stderr
    assert (found.exit_code, bool(found.stderr)) == (0, bool(note))
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    wanted = sorted(one["number"] for one in job.get("status", {}).get("best", ()))
    assert [(int(row["trial"]), float(row["rmse"]), row["n"]) for row in rows] == [(n, n / 2, "3") for n in wanted]


def test_the_status_is_read_without_mlflow() -> None:
    code = "import sys, afina_jobs.results.cluster; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0, "which takes seconds to import"


def test_says_that_mlflow_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job").write_text(json.dumps(a_status([1], 2, tracked=True)))
    a_kubectl(tmp_path, f"cat {tmp_path}/job", monkeypatch)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = afina("results", "tj", "it", "--tracking-uri", "http://127.0.0.1:9")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "MLflow at http://127.0.0.1:9 does not tell" in found.stderr


def a_run(
    number: int,
    state: str,
    metrics: dict[str, float],
    params: dict[str, str],
    end: int | None = 2000,
    **more: str,
) -> Run:
    """A trial's run, as MLflow's server gives it."""
    tags = {"afina.trial": str(number), "afina.state": state, "afina.reason": "", "afina.message": ""}
    failed = {"afina.reason": "ExitCode", "afina.message": "exit code 3", "afina.retries": '{"DriverLost": 2}'}
    tags |= failed if state == "FAIL" else {}
    tags |= {f"afina.{name}": value for name, value in more.items()}
    info = RunInfo(f"r{number}", "1", "me", "FINISHED", 500, end, "active")
    data = RunData(
        [Metric(name, value, 0, 0) for name, value in metrics.items()],
        [Param(name, value) for name, value in params.items()],
        [RunTag(name, value) for name, value in tags.items()],
    )
    return Run(info, data)


def test_reads_trials_from_their_runs() -> None:
    params = {"x": "0.1", "n": "3", "c": "True"}
    runs = [
        a_run(7, "PRUNED", {"rmse": 4}, {"x": "1e-05", "c": "2.5"}),
        a_run(2, "FAIL", {}, params),
        a_run(0, "COMPLETE", {"rmse": 0.5, "mae": 3}, params),
        a_run(0, "COMPLETE", {"rmse": 0.5, "mae": 3}, params),
        a_run(8, "COMPLETE", {}, {}, end=None),
    ]
    first, second, third = trials_of(runs, [RMSE], SPACE)
    assert (first.number, first.value, first.user_attrs) == (0, 0.5, {METRICS: {"rmse": 0.5, "mae": 3}})
    assert first.params == {"x": 0.1, "n": 3, "c": True}
    assert [type(value) for value in first.params.values()] == [float, int, bool]
    assert str(first.duration) == "0:00:01.500000"
    told = {REASON: "ExitCode", MESSAGE: "exit code 3", RETRIES: {"DriverLost": 2}}
    assert (second.state, second.user_attrs) == (TrialState.FAIL, told)
    assert text(first, second)[0].split()[-3:] == ["reason", "message", "retries"]
    assert text(first, second)[2].endswith("exit code 3  DriverLost x2")
    assert (third.number, third.state, third.values, third.params) == (
        7, TrialState.PRUNED, None, {"x": 1e-05, "c": 2.5},
    )  # fmt: skip


def test_shows_whose_a_trial_of_a_population_is() -> None:
    runs = [
        a_run(0, "COMPLETE", {"rmse": 0.5}, {"x": "0.1"}, member="0", parent=""),
        a_run(3, "COMPLETE", {"rmse": 0.4}, {"x": "0.2"}, member="1", parent="0"),
    ]
    found = trials_of(runs, [RMSE], SPACE)
    assert [line.split()[:4] for line in text(*found)] == [
        ["trial", "member", "parent", "state"], ["0", "0", "complete", "1.5"], ["3", "1", "0", "complete"],
    ]  # fmt: skip
    assert [(one["member"], one["parent"]) for one in as_objects(found, Columns.of(found, ["rmse"]))] == [
        (0, None),
        (1, 0),
    ]


def test_a_study_of_them_keeps_their_numbers() -> None:
    known = from_status(a_status([4, 2], 9, tracked=False), "why")
    study = as_study(known)
    assert [trial.state.name for trial in study.trials] == ["RUNNING"] * 2 + ["COMPLETE", "RUNNING", "COMPLETE"]
    assert (study.best_trial.number, study.best_value) == (2, 1)
    assert as_study(Record("it", [Objective(metric="auc", goal="Maximize")], [])).direction.name == "MAXIMIZE"


def text(*trials: FrozenTrial) -> list[str]:
    return as_text(trials, Columns.of(trials, ["rmse"])).splitlines()


def test_the_table_leaves_out_what_nobody_has_and_cuts_what_is_long() -> None:
    good = create_trial(value=0.123456789, params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)})
    bad = create_trial(state=TrialState.FAIL, user_attrs={REASON: "Exception", MESSAGE: "two\nlines " + "x" * 99})
    for one in (good, bad):
        one.datetime_start = one.datetime_complete = None
    assert text(good) == ["trial  state     rmse      x", "-1     complete  0.123457  0.5"]
    shown = text(good, bad)[2]
    assert "two lines xxx" in shown
    assert shown.endswith("x…")
    assert text() == ["trial  state  seconds  rmse  reason  message  retries"]
