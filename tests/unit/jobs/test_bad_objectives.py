"""Objectives that go wrong in every way we could think of: each trial is counted as what it is.

Real processes and a real SQLite file; only the driver's process is the test's own.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from afina_api.reasons import Reason, TrialReason
from afina_jobs.study.ledger import MESSAGE, REASON
from support.searches import Search, a_job, processes_with, wait_for

Json = dict[str, Any]


@dataclass(frozen=True)
class Bad:
    """What a trial does, and what becomes of it."""

    job: Json
    reason: TrialReason
    message: str
    code: str = ""


def a_function(code: str, reason: TrialReason, message: str, **job: Any) -> Bad:
    return Bad(a_job(python="train:objective", **job), reason, message, f"def objective(params, trial):\n    {code}\n")


def a_script(code: str, reason: TrialReason, message: str, **job: Any) -> Bad:
    return Bad(a_job(script=code, **job), reason, message)


BAD_TRIALS = {
    "command without a metric": a_script(
        "echo training; echo done", TrialReason.METRIC_MISSING, "no value of 'rmse'; last line: done"
    ),
    "command with another metric": a_script('echo {\\"mae\\": 1}', TrialReason.METRIC_MISSING, "only of mae"),
    "command that prints the metric to the wrong stream": a_script(
        'echo {\\"rmse\\": 1} >&2', TrialReason.METRIC_MISSING, "no value of 'rmse'"
    ),
    "command with an intermediate value only": a_script(
        'echo {\\"step\\": 1, \\"rmse\\": 1}', TrialReason.METRIC_MISSING, "no value of 'rmse'"
    ),
    "command that prints NaN": a_script('echo {\\"rmse\\": NaN}', TrialReason.NOT_A_NUMBER, "rmse is nan"),
    "command that prints infinity": a_script('echo {\\"rmse\\": 1e999}', TrialReason.NOT_A_NUMBER, "rmse is inf"),
    "command that prints text": a_script('echo {\\"rmse\\": \\"low\\"}', TrialReason.NOT_A_NUMBER, "rmse is 'low'"),
    "command that prints null": a_script('echo {\\"rmse\\": null}', TrialReason.NOT_A_NUMBER, "rmse is None"),
    "command that prints garbage": a_script(
        "head -c 200000 /dev/urandom; echo; echo '{\"rmse\":'", TrialReason.METRIC_MISSING, 'last line: {"rmse":'
    ),
    "command that prints a line of a megabyte": a_script(
        "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo small", TrialReason.METRIC_MISSING, "last line: small"
    ),
    "command that prints deep JSON": a_script(
        "printf '{\"rmse\":'; head -c 9000 /dev/zero | tr '\\0' '['", TrialReason.METRIC_MISSING, "[[[["
    ),
    "command that exits 3": a_script(
        "echo no such data >&2; exit 3", TrialReason.EXIT_CODE, "exit code 3; last line: no such data"
    ),
    "command that fails after its metric": a_script(
        'echo {\\"rmse\\": 1}; exit 1', TrialReason.EXIT_CODE, "exit code 1"
    ),
    "command killed by a signal": a_script("kill -SEGV $$", TrialReason.KILLED, "SIGSEGV"),
    "command that sleeps for ever": a_script(
        "echo waiting; sleep 1000", TrialReason.TIMEOUT, "after 1 s", trial={"timeoutSeconds": 1}
    ),
    "command whose program depends on a parameter": Bad(
        a_job(argv=["./none-$(params.n)"]), TrialReason.CANNOT_START, "cannot be started"
    ),
    "function that raises": a_function("raise ValueError('no data')", TrialReason.EXCEPTION, "ValueError: no data"),
    "function that calls exit": a_function("raise SystemExit(4)", TrialReason.EXCEPTION, "SystemExit: 4"),
    "function that ends its process": a_function("import os; os._exit(3)", TrialReason.EXIT_CODE, "exit code 3"),
    "function that is killed": a_function(
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", TrialReason.KILLED, "SIGKILL"
    ),
    "function that returns nothing": a_function("pass", TrialReason.METRIC_MISSING, "no value of 'rmse'"),
    "function that returns another metric": a_function("return {'mae': 1}", TrialReason.METRIC_MISSING, "only of mae"),
    "function that returns NaN": a_function("return float('nan')", TrialReason.NOT_A_NUMBER, "rmse is nan"),
    "function that returns text": a_function("return '0.5'", TrialReason.NOT_A_NUMBER, "rmse is '0.5'"),
    "function that returns a list": a_function("return [1.0]", TrialReason.NOT_A_NUMBER, "rmse is '[1.0]'"),
    "function that sleeps for ever": a_function(
        "import time; time.sleep(1000)", TrialReason.TIMEOUT, "after 1 s", trial={"timeoutSeconds": 1}
    ),
    "function that reports what is no step": a_function(
        "trial.report(1, 'two')", TrialReason.EXCEPTION, "cannot be interpreted as an integer"
    ),
    "function that closes every file": a_function(
        "import os; os.closerange(0, 1000)", TrialReason.EXIT_CODE, "exit code 1"
    ),
    "function that closes every file and goes on": a_function(
        "import os, time; os.closerange(0, 1000); time.sleep(1000)", TrialReason.KILLED, "SIGTERM"
    ),
}


@pytest.mark.parametrize("bad", BAD_TRIALS.values(), ids=BAD_TRIALS)
async def test_counts_the_trial_as_what_it_is(bad: Bad, tmp_path: Path) -> None:
    search = Search(tmp_path, bad.job, {"train.py": bad.code})
    verdict = await search.run()
    assert verdict.reason == Reason.TOO_MANY_FAILED_TRIALS
    assert bad.message in verdict.message
    (trial,) = search.trials()
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[REASON] == bad.reason
    assert bad.message in trial.user_attrs[MESSAGE]
    assert len(trial.user_attrs[MESSAGE]) <= 1024


INVALID = {
    "module that does not exist": (a_job(python="trian:objective"), "No module named 'trian'"),
    "function that does not exist": (a_job(python="train:objektive"), "has no attribute 'objektive'"),
    "name that is no function": (a_job(python="train:NUMBER"), "'NUMBER' is not a function"),
    "module that cannot be imported": (a_job(python="broken:objective"), "ModuleNotFoundError: No module named 'tor"),
    "module that is no Python": (a_job(python="wrong:objective"), "SyntaxError"),
    "module that ends the process": (a_job(python="ending:objective"), "exit code 7; last line: bye"),
    "program that does not exist": (a_job(argv=["trian.sh"]), "there is no program 'trian.sh'"),
    "file that does not exist": (a_job(argv=["./trian.sh"]), "there is no program './trian.sh'"),
}
FILES = {
    "train.py": "NUMBER = 3\ndef objective(params, trial): return 1",
    "broken.py": "import torrrch",
    "wrong.py": "def objective(",
    "ending.py": "import os; print('bye', flush=True); os._exit(7)",
}


@pytest.mark.parametrize(("job", "message"), INVALID.values(), ids=INVALID)
async def test_spends_no_trial_on_an_objective_that_cannot_be_loaded(job: Json, message: str, tmp_path: Path) -> None:
    search = Search(tmp_path, job, FILES)
    verdict = await search.run()
    assert verdict.reason == Reason.INVALID_OBJECTIVE
    assert message in verdict.message
    assert search.trials() == []


async def test_ends_grandchildren_with_the_trial(tmp_path: Path) -> None:
    marker = f"sleep 98{id(tmp_path) % 100_000}"
    script = f"trap '' TERM; {marker} & ({marker} & {marker}) & {marker}"
    search = Search(tmp_path, a_job(script=script, trial={"timeoutSeconds": 1}))
    assert (await search.run()).reason == Reason.TOO_MANY_FAILED_TRIALS
    assert processes_with(marker.replace(" ", "\0")) == []


async def test_goes_on_with_a_fresh_worker_after_a_failure(tmp_path: Path) -> None:
    code = """
import os
calls = 0
def objective(params, trial):
    global calls
    calls += 1
    if trial.number == 1:
        raise ValueError
    if trial.number == 2:
        os.abort()
    return {"rmse": calls, "pid": os.getpid()}
"""
    search = Search(tmp_path, a_job(python="train:objective", trials=6, failures=2), {"train.py": code})
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    trials = search.trials()
    assert [trial.value for trial in trials] == [1, None, None, 1, 2, 3]
    assert len({trial.user_attrs["afina:metrics"]["pid"] for trial in trials[3:]}) == 1


async def test_stops_when_one_more_trial_failed_than_allowed(tmp_path: Path) -> None:
    search = Search(tmp_path, a_job(script="exit 1", trials=10, failures=2))
    verdict = await search.run()
    assert verdict.reason == Reason.TOO_MANY_FAILED_TRIALS
    assert "failed trials: 3, more than budget.maxFailedTrials 2" in verdict.message
    assert len(search.trials()) == 3


async def test_says_when_no_trial_has_a_value(tmp_path: Path) -> None:
    search = Search(tmp_path, a_job(script="exit 1", trials=2, failures=2))
    verdict = await search.run()
    assert (verdict.reason, verdict.succeeded) == (Reason.NO_TRIAL_SUCCEEDED, False)
    assert "exit code 1" in verdict.message


async def test_cancelling_leaves_the_trial_to_the_next_driver(tmp_path: Path) -> None:
    marker = f"sleep 97{id(tmp_path) % 100_000}"
    search = Search(tmp_path, a_job(script=f"echo hello; {marker}"))
    task = asyncio.create_task(search.run())
    await asyncio.to_thread(wait_for, lambda: processes_with(marker.replace(" ", "\0")))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with(marker.replace(" ", "\0")) == []
    (trial,) = search.trials()
    assert trial.state == TrialState.RUNNING
    assert trial.user_attrs["afina:attempts"] == 0
