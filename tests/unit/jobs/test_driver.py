"""The driver's own process: its exit codes, its last words, and its deaths."""

import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from afina_jobs.study.ledger import MESSAGE, REASON
from afina_jobs.study.retries import ATTEMPTS, retries_of
from support.searches import Driver, a_job, processes_with, wait_for

Json = dict[str, Any]

ONE = "echo '{\"rmse\": 1}'"
FINISHED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


def test_ends_well_with_the_reason_in_the_termination_log(tmp_path: Path) -> None:
    driver = Driver(tmp_path, a_job(script=f"echo hello; {ONE}"))
    assert driver.run() == 0
    assert driver.terminated() == {"reason": "MaxTrialsReached", "message": "3 trials have ended"}
    assert "trial 1 | hello" in driver.log()
    assert "trial 1 succeeded: rmse 1, best 1 (trial 0), 2/3 trials" in driver.log()
    assert {path.name for path in (tmp_path / "study").iterdir()} == {"study.db", "plots.html", "trials.csv"}
    page = (tmp_path / "study" / "plots.html").read_text()
    assert "Best: rmse 1 (trial 0)" in page
    assert re.findall('<div id="([a-z_]+)"', page) == [
        "history",
        "parallel_coordinate",
        "slice",
        "contour",
    ]


@pytest.mark.parametrize(
    ("job", "reason", "message"),
    [
        (a_job(script="exit 3"), "TooManyFailedTrials", "ExitCode: exit code 3"),
        (a_job(python="trian:objective"), "InvalidObjective", "No module named 'trian'"),
        (a_job(script=ONE, trial={"imagee": "x"}), "InvalidSpec", "spec.trial.imagee"),
        (
            a_job(
                builtin={"name": "xgboost-cv", "config": {"folds": 1}},
                parameters=[{"name": "gamma", "int": {"min": 0, "max": 1}}],
            ),
            "InvalidObjective",
            "spec.trial.builtin.config.folds",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_says_for_good_what_is_wrong(job: Json, reason: str, message: str, tmp_path: Path) -> None:
    driver = Driver(tmp_path, job)
    assert driver.run() == 10
    assert driver.terminated()["reason"] == reason
    assert message in driver.terminated()["message"]


def test_bounds_its_last_words(tmp_path: Path) -> None:
    driver = Driver(tmp_path, a_job(script="head -c 30000 /dev/zero | tr '\\0' '\"'; exit 1"))
    assert driver.run() == 10
    assert 1000 < len((tmp_path / "termination-log").read_bytes()) <= 4096


def test_survives_being_killed_at_any_moment(tmp_path: Path) -> None:
    # Six lives of under a second are shorter than the search, so that each is cut off in the middle of it.
    script = 'echo here; sleep 0.$(($AFINA_TRIAL_NUMBER % 5 + 2)); echo "{\\"rmse\\": $AFINA_TRIAL_NUMBER}"'
    driver = Driver(tmp_path, a_job(script=script, trials=24, parallel=2, failures=24))
    seen: dict[int, FrozenTrial] = {}
    moments = random.Random(5)
    for round_ in range(6):
        process = driver.start()
        if round_ % 3:  # else it dies while it starts
            begun = driver.log().count(" | here")
            wait_for(lambda: driver.log().count(" | here") > begun or process.poll() is not None)  # noqa: B023
        time.sleep(moments.uniform(0, 0.8))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        for trial in driver.trials():
            if trial.state in FINISHED:
                assert seen.setdefault(trial.number, trial) == trial
    assert driver.run() == 0
    trials = driver.trials()
    assert len(seen) > 3, "some had ended when it was killed"
    assert [trial.number for trial in trials] == list(range(24))
    assert all(trial.state in FINISHED for trial in trials)
    assert all(trial.value == trial.number for trial in trials if trial.state == TrialState.COMPLETE)
    assert {trial.user_attrs[REASON] for trial in trials if trial.state == TrialState.FAIL} <= {"Interrupted"}
    assert all(seen.get(trial.number, trial) == trial for trial in trials)
    assert "24/24 trials" in driver.log()


def test_gives_up_a_trial_that_ran_each_time_the_driver_died(tmp_path: Path) -> None:
    # It kills the driver, as one would whose memory is shared with it.
    script = f"if [ $AFINA_TRIAL_NUMBER = 1 ]; then kill -KILL $PPID; sleep 5; else {ONE}; fi"
    driver = Driver(tmp_path, a_job(script=script, failures=1))
    assert [driver.run() for _ in range(4)] == [-9, -9, -9, 0]
    states = [trial.state for trial in driver.trials()]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert driver.trials()[1].user_attrs[REASON] == "Interrupted"
    assert driver.trials()[1].user_attrs[MESSAGE].startswith("run again for DriverLost x2, then: the driver died")


def test_stops_when_told_and_goes_on_when_started_again(tmp_path: Path) -> None:
    script = f"touch ../../began; while [ ! -e ../../go ]; do sleep 0.01; done; {ONE}"
    driver = Driver(tmp_path, a_job(script=script))
    for _ in range(2):
        process = driver.start()
        wait_for((tmp_path / "began").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        (tmp_path / "began").unlink()
    (trial,) = driver.trials()
    assert (trial.state, trial.user_attrs[ATTEMPTS]) == (TrialState.RUNNING, 0)
    assert not (tmp_path / "termination-log").exists()
    (tmp_path / "go").touch()
    assert driver.run() == 0
    assert [trial.number for trial in driver.trials()] == [0, 1, 2]
    assert [retries_of(trial.user_attrs) for trial in driver.trials()] == [{"DriverStopped": 2}, {}, {}]
    assert (tmp_path / "study" / "trials.csv").read_text().splitlines()[1].endswith(",DriverStopped x2")


def test_goes_further_when_the_budget_grows(tmp_path: Path) -> None:
    script = f"touch ../../began; while [ ! -e ../../go ]; do sleep 0.01; done; {ONE}; [ $AFINA_TRIAL_NUMBER != 2 ]"
    driver = Driver(tmp_path, a_job(script=script, trials=1, timeout=60))
    process = driver.start()
    wait_for((tmp_path / "began").exists)
    driver.write_spec(a_job(script=script, trials=4, failures=1, timeout=90))
    (tmp_path / "go").touch()
    assert process.wait(60) == 0
    assert driver.terminated()["reason"] == "MaxTrialsReached"
    assert len(driver.trials()) == 4


def test_uses_the_room_that_it_was_made_for_and_no_more(tmp_path: Path) -> None:
    script = f"touch ../../began-$AFINA_TRIAL_NUMBER; while [ ! -e ../../go ]; do sleep 0.01; done; {ONE}"
    driver = Driver(tmp_path, a_job(script=script, trials=4), env={"AFINA_SLOTS": "2"})
    process = driver.start()
    wait_for((tmp_path / "began-0").exists)
    time.sleep(1.5)
    assert len([*tmp_path.glob("began-*")]) == 1
    driver.write_spec(a_job(script=script, trials=4, parallel=3))
    wait_for((tmp_path / "began-1").exists)
    time.sleep(1.5)
    assert len([*tmp_path.glob("began-*")]) == 2
    (tmp_path / "go").touch()
    assert process.wait(60) == 0
    assert [trial.value for trial in driver.trials()] == [1] * 4


def test_counts_the_time_of_earlier_drivers(tmp_path: Path) -> None:
    driver = Driver(tmp_path, a_job(script="sleep 1000", timeout=4))
    process = driver.start()
    wait_for(lambda: processes_with("sleep\0001000"))
    time.sleep(2.5)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert driver.run() == 10
    assert driver.terminated()["reason"] == "NoTrialSucceeded"
    assert "budget.timeoutSeconds 4" in driver.terminated()["message"]


@pytest.fixture
def tiny_volume(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "volume"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_keeps_the_finished_trials_when_the_volume_is_full(tmp_path: Path, tiny_volume: Path) -> None:
    script = f"[ $AFINA_TRIAL_NUMBER != 3 ] || cat /dev/zero > {tiny_volume}/ballast; {ONE}"
    driver = Driver(tmp_path, a_job(script=script, trials=5), study=tiny_volume)
    assert driver.run() == 10
    assert driver.terminated()["reason"] == "StorageFull"
    assert "larger spec.storage.volume.size" in driver.terminated()["message"]
    (tiny_volume / "ballast").unlink()
    assert [trial.value for trial in driver.trials()] == [1, 1, 1, None]
    (tiny_volume / "ballast").mkdir()  # so that it cannot be filled again
    assert driver.run() == 0
    assert [trial.value for trial in driver.trials()] == [1] * 5


def test_says_that_a_volume_is_too_small_to_begin_on(tmp_path: Path, tiny_volume: Path) -> None:
    (tiny_volume / "ballast").write_bytes(bytes(4 * 2**20 - 50_000))
    driver = Driver(tmp_path, a_job(script=ONE), study=tiny_volume)
    assert driver.run() == 10
    assert driver.terminated()["reason"] == "StorageFull"
