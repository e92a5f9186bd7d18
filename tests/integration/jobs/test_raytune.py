"""The engine RayTune, with a real Ray of its own for each search: the accounts stay as exact as without."""

import asyncio
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from afina_api.reasons import Reason
from afina_jobs.stopping import Verdict
from support.searches import Search, a_job, processes_with, wait_for

pytestmark = pytest.mark.integration

ENDS = """
import os
from pathlib import Path

def objective(params, trial):
    with open({folder!r} + "/calls", "a") as calls:
        calls.write(f"{{trial.number}} {{os.getppid()}}\\n")
    print("hello from", trial.number)
    if trial.number == 1:
        raise ValueError("no luck")
    if trial.number == 7:  # the Median pruner knows five trials by then
        trial.report(1000.0, 1)
        import time
        time.sleep(60)
    trial.report(100.0 - trial.number, 1)
    return {{"rmse": 100 - trial.number, "seen": 1}}
"""


def calls(folder: Path) -> list[list[int]]:
    """The numbers in each line that the trials wrote."""
    return [[int(word) for word in line.split()] for line in (folder / "calls").read_text().splitlines()]


def states(trials: list[FrozenTrial]) -> list[TrialState]:
    return [trial.state for trial in trials]


async def test_every_end_of_a_trial_is_told_once_and_actors_are_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = a_job(python="train:objective", engine="RayTune", pruning="Median", trials=9, failures=1)
    search = Search(tmp_path, job, {"train.py": ENDS.format(folder=str(tmp_path))})
    with caplog.at_level("INFO"):
        assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    found = search.trials()
    expected = {1: TrialState.FAIL, 7: TrialState.PRUNED}
    assert states(found) == [expected.get(number, TrialState.COMPLETE) for number in range(9)]
    assert found[1].user_attrs["afina:message"] == "ValueError: no luck"
    assert found[3].intermediate_values == {1: 97.0}
    assert found[3].user_attrs["afina:metrics"] == {"rmse": 97.0, "seen": 1.0}
    told = calls(tmp_path)
    assert [number for number, _ in told] == list(range(9))
    assert len({actor for _, actor in told}) == 1
    assert "trial 4 | hello from 4" in caplog.messages
    assert processes_with(str(tmp_path)) == []


async def test_a_cancelled_search_leaves_nothing_and_is_resumed(tmp_path: Path) -> None:
    source = """
import time

def objective(params, trial):
    if not (trial.checkpoint_dir / "seen").exists():
        (trial.checkpoint_dir / "seen").touch()
        print("at work")
        time.sleep(600)
    return 1.0
"""
    job = a_job(script="unused", engine="RayTune", trials=1)
    job["spec"]["trial"] = {"python": {"entrypoint": "train:objective"}}
    search = Search(tmp_path, job, {"train.py": source})
    running = asyncio.create_task(search.run())
    await asyncio.to_thread(wait_for, lambda: list(tmp_path.glob("work/*/checkpoints/0/seen")))
    await asyncio.sleep(7)  # what is written is fetched within some seconds
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert processes_with(str(tmp_path)) == []
    assert states(search.trials()) == [TrialState.RUNNING]
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert states(search.trials()) == [TrialState.COMPLETE]


async def test_an_objective_that_cannot_be_loaded_costs_no_trial(tmp_path: Path) -> None:
    search = Search(tmp_path, a_job(python="trian:objective", engine="RayTune"))
    assert await search.run() == Verdict(
        Reason.INVALID_OBJECTIVE,
        "trian:objective cannot be loaded: ModuleNotFoundError: No module named 'trian'",
    )
    assert search.trials() == []
