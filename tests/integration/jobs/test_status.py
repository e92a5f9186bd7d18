"""The status that a driver writes to a real API server."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support.searches import Driver, a_job, wait_for

pytestmark = pytest.mark.integration

Json = dict[str, Any]
ONE = "echo '{\"rmse\": 1}'"


class Reported:
    """A TuningJob on the API server and the driver that reports on it."""

    def __init__(self, control_plane: Any, folder: Path, name: str, job: Json) -> None:
        self._plane = control_plane
        self.name = name
        job["metadata"] = {"name": name, "namespace": "default"}
        self._job = job
        self.create()
        job["metadata"]["uid"] = self.get()["metadata"]["uid"]
        env = {"KUBECONFIG": str(control_plane.kubeconfig), "KUBERNETES_SERVICE_HOST": "from-kubeconfig"}
        self.driver = Driver(folder, job, env=env)

    def create(self) -> None:
        """Make the object, without the uid of an earlier one."""
        document = self._job | {"metadata": {"name": self.name, "namespace": "default"}}
        self._plane.kubectl("create", "-f", "-", stdin=json.dumps(document))

    def delete(self) -> None:
        self._plane.kubectl("delete", "tuningjob", self.name)

    def get(self) -> Json:
        found: Json | None = self._plane.reads.get("tuningjob", self.name, "default")
        assert found
        return found

    def status(self) -> Json:
        found: Json = self.get().get("status", {})
        return found


def test_tells_counts_best_and_the_last_failure(control_plane: Any, tmp_path: Path) -> None:
    script = '[ $AFINA_TRIAL_NUMBER != 2 ] || exit 3; echo "{\\"rmse\\": $AFINA_TRIAL_NUMBER}"'
    reported = Reported(control_plane, tmp_path, "told", a_job(script=script, trials=8, failures=1))
    assert reported.driver.run() == 0, reported.driver.log()
    status = reported.status()
    assert status["trials"] == {"total": 8, "running": 0, "succeeded": 7, "failed": 1, "pruned": 0}
    assert [trial["number"] for trial in status["best"]] == [0, 1, 3, 4, 5]
    params = reported.driver.trials()[0].params
    assert {parameter["name"]: parameter["value"] for parameter in status["best"][0]["params"]} == params
    assert status["lastFailure"] == {"number": 2, "reason": "ExitCode", "message": "exit code 3"}
    assert status["summary"] == {"best": "rmse 0", "trials": "8/8"}
    assert "conditions" not in status
    managers = {entry["manager"]: entry for entry in reported.get()["metadata"]["managedFields"]}
    assert managers["afina-driver"]["operation"] == "Apply"
    assert managers["afina-driver"]["subresource"] == "status"


def test_shows_what_runs_and_that_nothing_does_when_it_is_told_to_stop(control_plane: Any, tmp_path: Path) -> None:
    script = f"[ $AFINA_TRIAL_NUMBER = 0 ] || sleep 1000; {ONE}"
    reported = Reported(control_plane, tmp_path, "stopped", a_job(script=script, parallel=2))
    process = reported.driver.start()
    wait_for(lambda: reported.status().get("trials", {}).get("running") == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    assert reported.status()["trials"] == {"total": 3, "running": 0, "succeeded": 1, "failed": 0, "pruned": 0}


def test_says_a_reason_and_no_status_of_its_own_when_the_objective_is_invalid(
    control_plane: Any, tmp_path: Path
) -> None:
    reported = Reported(control_plane, tmp_path, "invalid", a_job(python="trian:objective"))
    assert reported.driver.run() == 10
    assert reported.status()["trials"]["total"] == 0


def test_catches_up_when_the_server_was_away(control_plane: Any, tmp_path: Path) -> None:
    script = f"while [ $AFINA_TRIAL_NUMBER = 3 ] && [ ! -e ../../go ]; do sleep 0.05; done; {ONE}"
    reported = Reported(control_plane, tmp_path, "away", a_job(script=script, trials=6))
    with reported.driver.start() as process:
        wait_for(lambda: reported.status().get("trials", {}).get("succeeded") == 3)
        control_plane.kill_apiserver()
        try:
            (tmp_path / "go").touch()
            wait_for(lambda: "the API server did not take the status" in reported.driver.log())
        finally:
            control_plane.start_apiserver()
            control_plane.wait_until_ready()
        assert process.wait() == 0, reported.driver.log()
    assert reported.status()["trials"]["succeeded"] == 6


def test_never_writes_to_a_successor_of_the_same_name(control_plane: Any, tmp_path: Path) -> None:
    script = f"while [ $AFINA_TRIAL_NUMBER = 1 ] && [ ! -e ../../go ]; do sleep 0.05; done; {ONE}"
    reported = Reported(control_plane, tmp_path, "again", a_job(script=script))
    with reported.driver.start() as process:
        wait_for(lambda: reported.status().get("trials", {}).get("succeeded") == 1)
        reported.delete()
        reported.create()
        (tmp_path / "go").touch()
        assert process.wait() == 0, reported.driver.log()
    assert reported.status() == {}
    assert "another has its name" in reported.driver.log()


def test_writes_all_that_it_knows_at_most_once_a_second(control_plane: Any, tmp_path: Path) -> None:
    reported = Reported(control_plane, tmp_path, "bounded", a_job(script=ONE, trials=40))
    before = int(reported.get()["metadata"]["resourceVersion"])
    began = time.monotonic()
    assert reported.driver.run() == 0
    seconds = time.monotonic() - began
    found = reported.get()
    assert found["status"]["trials"]["succeeded"] == 40
    assert found["status"]["importance"] == [{"name": "n", "value": 0.5}, {"name": "x", "value": 0.5}]
    assert found["status"]["forecast"] == {"trials": 40, "optimistic": 1, "pessimistic": 1}
    # Nothing else writes to this server, so that versions count the writes, a few of the server's own aside.
    assert int(found["metadata"]["resourceVersion"]) - before < seconds + 10
