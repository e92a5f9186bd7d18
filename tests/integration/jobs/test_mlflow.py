"""What the driver leaves in a real MLflow server, which goes away in the midst of it."""

import asyncio
import json
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from afina_api.tuningjob import TuningJob
from afina_jobs.results.table import Columns, as_objects
from afina_jobs.results.tracked import from_mlflow
from afina_jobs.study.retries import retries_of
from afina_jobs.tracking.mirror import Ending, Mirror
from afina_jobs.tracking.runs import STUDY_TAG, TRIAL_TAG
from support.searches import Driver, a_job, wait_for
from support.servers import MlflowServer

pytestmark = pytest.mark.integration

SCRIPT = """
echo here
echo "{\\"step\\": 0, \\"rmse\\": 9}"
echo "{\\"step\\": 1, \\"rmse\\": NaN}"
sleep 0.3
[ $AFINA_TRIAL_NUMBER != 2 ] || exit 3
echo "{\\"rmse\\": $AFINA_TRIAL_NUMBER, \\"mae\\": 5}"
"""


class Tracked:
    """The runs of a driver's job."""

    def __init__(self, server: MlflowServer, name: str) -> None:
        self.client = MlflowClient(server.url)
        self._experiment = f"a-team/{name}"

    def parents(self) -> list[Run]:
        return [run for run in self._runs() if STUDY_TAG in run.data.tags]

    def trials(self) -> dict[int, Run]:
        """The trials' runs by number; fails where a trial has two."""
        found: dict[int, Run] = {}
        for run in self._runs():
            if TRIAL_TAG in run.data.tags:
                number = int(run.data.tags[TRIAL_TAG])
                assert number not in found
                found[number] = run
        return found

    def _runs(self) -> Sequence[Run]:
        experiment = self.client.get_experiment_by_name(self._experiment)
        return self.client.search_runs([experiment.experiment_id]) if experiment else []

    def check(self, driver: Driver) -> None:
        """MLflow has what the study has: each trial once, and no more."""
        trials, runs = driver.trials(), self.trials()
        (parent,) = self.parents()
        assert sorted(runs) == [trial.number for trial in trials]
        for trial in trials:
            run = runs[trial.number]
            assert run.info.status == ("FINISHED" if trial.value is not None else "FAILED")
            assert trial.value is None or run.data.metrics["rmse"] == trial.value
            assert run.data.params == {name: str(value) for name, value in trial.params.items()}
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
            assert json.loads(run.data.tags.get("afina.retries", "{}")) == retries_of(trial.user_attrs)


def test_records_each_trial_and_the_job(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    driver = Driver(
        tmp_path,
        a_job(script=SCRIPT, trials=4, failures=1, name="whole"),
        env={"MLFLOW_TRACKING_URI": mlflow_server.url},
    )
    assert driver.run() == 0, driver.log()
    tracked = Tracked(mlflow_server, "whole")
    tracked.check(driver)
    runs = tracked.trials()
    assert runs[3].data.metrics == {"rmse": 3, "mae": 5}
    steps = tracked.client.get_metric_history(runs[3].info.run_id, "rmse")
    assert [(point.step, point.value) for point in steps if point.value in (9, 3)] == [(0, 9), (1, 3)]
    tags = runs[2].data.tags
    assert (tags["afina.state"], tags["afina.reason"]) == ("FAIL", "ExitCode")
    assert tags["afina.message"].startswith("exit code 3")
    (parent,) = tracked.parents()
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"algorithm": "TPE", "seed": "1", "metric": "rmse", "goal": "Minimize"}
    assert parent.data.metrics == {"rmse": 0}
    files = {file.path for file in tracked.client.list_artifacts(parent.info.run_id)}
    assert files == {"plots.html", "trials.csv"}


def test_can_be_read_again(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    job = a_job(script=SCRIPT, trials=4, failures=1, name="read")
    driver = Driver(tmp_path, job, env={"MLFLOW_TRACKING_URI": mlflow_server.url})
    assert driver.run() == 0, driver.log()
    (parent,) = Tracked(mlflow_server, "read").parents()
    tracking = {"experimentId": parent.info.experiment_id, "runId": parent.info.run_id}
    found = from_mlflow(job | {"status": {"tracking": tracking, "trials": {"total": 4}}}, mlflow_server.url)
    columns = Columns.of(found.trials, ["rmse"])
    told, known = as_objects(found.trials, columns), as_objects(driver.trials(), columns)
    for one in known:
        one["seconds"] = pytest.approx(one["seconds"], abs=0.002)  # MLflow knows milliseconds
    assert told == known
    assert found.missing == ""
    gone = {"tracking": tracking | {"runId": "0" * 32}, "trials": {"total": 4}}
    assert "0 of 4 trials are known here" in from_mlflow(job | {"status": gone}, mlflow_server.url).missing


def test_records_each_of_two_objectives(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    script = """
echo "{\\"step\\": 4, \\"rmse\\": 9, \\"size\\": 8}"
echo "{\\"rmse\\": $AFINA_TRIAL_NUMBER, \\"size\\": $((2 - AFINA_TRIAL_NUMBER)), \\"mae\\": 5}"
"""
    objectives: list[dict[str, object]] = [
        {"metric": "rmse", "goal": "Minimize", "weight": 3},
        {"metric": "size", "goal": "Minimize"},
    ]
    driver = Driver(
        tmp_path,
        a_job(script=script, objectives=objectives, name="two"),
        env={"MLFLOW_TRACKING_URI": mlflow_server.url},
    )
    assert driver.run() == 0, driver.log()
    tracked = Tracked(mlflow_server, "two")
    runs = tracked.trials()
    assert [runs[number].data.metrics for number in range(3)] == [
        {"rmse": number, "size": 2 - number, "mae": 5} for number in range(3)
    ]
    for name, values in {"rmse": [9, 1], "size": [8, 1]}.items():
        steps = tracked.client.get_metric_history(runs[1].info.run_id, name)
        assert [(point.step, point.value) for point in steps] == [(4, value) for value in values]
    (parent,) = tracked.parents()
    assert parent.data.params["metric"] == "rmse,size"
    assert parent.data.params["goal"] == "Minimize,Minimize"
    assert parent.data.metrics == {"rmse": 0, "size": 2}
    assert (parent.data.tags["afina.best"], parent.data.tags["afina.frontSize"]) == ("0", "3")


def test_an_outage_leaves_no_hole_and_no_twin(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    wait = "while [ $AFINA_TRIAL_NUMBER -gt 7 ] && [ ! -e ../../go ]; do sleep 0.05; done"
    job = a_job(script=wait + SCRIPT, trials=16, failures=1, name="outage")
    driver = Driver(tmp_path, job, env={"MLFLOW_TRACKING_URI": mlflow_server.url})
    tracked = Tracked(mlflow_server, "outage")
    with driver.start() as process:
        wait_for(lambda: len(tracked.trials()) > 3)
        mlflow_server.kill()
        (tmp_path / "go").touch()
        wait_for(lambda: "12/16 trials" in driver.log())  # the search goes on meanwhile
        mlflow_server.start()
        assert process.wait() == 0, driver.log()
    tracked.check(driver)
    assert "MLflow does not answer, the search goes on" in driver.log()
    assert tracked.parents()[0].info.status == "FINISHED"


def test_kills_and_lost_replies_leave_no_hole_and_no_twin(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    job = a_job(script=SCRIPT, trials=12, failures=12, name="kills")
    driver = Driver(tmp_path, job, env={"MLFLOW_TRACKING_URI": mlflow_server.url})
    tracked = Tracked(mlflow_server, "kills")
    for least in (1, 3, 5):
        process = driver.start()
        wait_for(lambda: len(tracked.trials()) > least)  # noqa: B023
        process.kill()
        process.wait()
    # A run whose creation the driver never heard of, begun and not filled.
    first = tracked.trials()[0]
    tags = {tag: first.data.tags[tag] for tag in ("mlflow.parentRunId", TRIAL_TAG)}
    tracked.client.create_run(first.info.experiment_id, tags=tags)
    assert driver.run() == 0, driver.log()
    tracked.check(driver)


def test_begins_again_in_an_experiment_that_was_deleted(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    client = MlflowClient(mlflow_server.url)
    client.delete_experiment(client.create_experiment("a-team/deleted"))
    driver = Driver(
        tmp_path, a_job(script=SCRIPT, trials=1, name="deleted"), env={"MLFLOW_TRACKING_URI": mlflow_server.url}
    )
    assert driver.run() == 0
    Tracked(mlflow_server, "deleted").check(driver)


@pytest.mark.parametrize("hangs", [True, False], ids=["that accepts and never answers", "that is not there"])
async def test_does_not_wait_for_ever_for_a_server(
    hangs: bool, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if hangs:
            listener.listen(100)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listener.getsockname()[1]}")
        mirror = Mirror(TuningJob.model_validate(a_job(script="true")), "a-study", 1)
        await mirror.finish(Ending(succeeded=True, artifacts=[]), 3)
    assert "MLflow did not take all in 3 s" in caplog.text
    # Its thread would go on trying beside the tests that follow: there is a server now.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    await asyncio.wait_for(mirror._done.wait(), 60)


def test_a_search_begins_with_what_an_earlier_one_found(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """The earlier one searched twice, since it was deleted in between; both are read."""
    script = 'awk -v n=$AFINA_PARAM_N -v x=$AFINA_PARAM_X \'BEGIN {print "{\\"rmse\\": " (n - 7) ^ 2 + x "}"}\''
    env, hybrid = {"MLFLOW_TRACKING_URI": mlflow_server.url}, {"name": "Hybrid", "seed": 1}
    for folder, seed in (("first", 1), ("second", 2)):
        (tmp_path / folder).mkdir()
        job = a_job(script=script, trials=10, name="earlier", algorithm=hybrid | {"seed": seed})
        driver = Driver(tmp_path / folder, job, env=env)
        assert driver.run() == 0, driver.log()
    job = a_job(script=script, trials=1, name="later", algorithm=hybrid)
    job["spec"]["warmStartFrom"] = [{"tuningJobRef": {"name": "earlier"}}]
    later = Driver(tmp_path, job, env=env)
    assert later.run() == 0, later.log()
    (trial,) = later.trials()
    assert trial.params["n"] == 7
    assert trial.params["x"] < 0.3
    (tmp_path / "limited").mkdir()
    limits = {"constraints": [{"name": "not-seven", "metric": "rmse", "min": 1}]}
    limited = Driver(tmp_path / "limited", job | {"spec": job["spec"] | limits}, env=env)
    assert limited.run() == 0, limited.log()
    (trial,) = limited.trials()
    assert trial.params["n"] in (6, 8), "what breaks the constraint now counts as bad"
    (tmp_path / "wrong").mkdir()
    job["spec"]["warmStartFrom"] = [{"tuningJobRef": {"name": "never"}}]
    wrong = Driver(tmp_path / "wrong", job, env=env)
    assert wrong.run() != 0
    assert wrong.terminated()["reason"] == "InvalidSpec"
    assert "no experiment 'a-team/never'" in wrong.terminated()["message"]
