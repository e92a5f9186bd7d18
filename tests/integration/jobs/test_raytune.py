"""The engine RayTune, with a real Ray of its own for each search: the accounts stay as exact as without."""

import asyncio
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from afina_api.reasons import Reason, RetryReason, TrialReason
from afina_jobs.search.population import goes_on, needed, origin_of
from afina_jobs.stopping import Verdict
from afina_jobs.study.retries import retries_of
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

DIES = """
import os, psutil, signal, time
from pathlib import Path

def objective(params, trial):
    epoch = trial.checkpoint_dir / "epoch"
    first = int(epoch.read_text()) if epoch.exists() else 0
    with open({folder!r} + "/calls", "a") as calls:
        calls.write(f"{{trial.number}} {{first}}\\n")
    for step in range(first, 20):
        trial.report(20.0 - step, step)
        new = epoch.with_suffix(".new")
        new.write_text(str(step))
        os.replace(new, epoch)
        if first == 0 and step == 14:
            os.kill({victim}, signal.SIGKILL)
        time.sleep(0.6 if first == 0 else 0)
    return 1.0
"""


def calls(folder: Path) -> list[list[int]]:
    """The numbers in each line that the trials wrote."""
    return [[int(word) for word in line.split()] for line in (folder / "calls").read_text().splitlines()]


def checkpoints(folder: Path, where: str = "") -> set[int]:
    """The trials of which there is a checkpoint."""
    return {int(found.name) for found in folder.glob(f"{where}checkpoints/*")}


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


RUNNER = "next(p.pid for p in psutil.Process().parents() if 'raytune.runner' in ' '.join(p.cmdline()))"


@pytest.mark.parametrize(
    ("victim", "why"),
    [("os.getppid()", RetryReason.WORKER_LOST), (RUNNER, RetryReason.RAY_LOST)],
    ids=["the actor", "the process that runs Tune"],
)
async def test_a_trial_that_is_lost_is_run_again_from_its_checkpoint(
    victim: str, why: RetryReason, tmp_path: Path
) -> None:
    source = DIES.format(folder=str(tmp_path), victim=victim)
    job = a_job(python="train:objective", engine="RayTune", trials=1)
    search = Search(tmp_path, job, {"train.py": source})
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    (trial,) = search.trials()
    assert trial.state == TrialState.COMPLETE
    assert retries_of(trial.user_attrs) == {why: 1}
    (_, first), (_, again) = calls(tmp_path)
    assert first == 0
    assert 0 < again <= 14
    assert list(trial.intermediate_values) == list(range(20))
    assert not list((tmp_path / "checkpoints").iterdir())


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


async def test_members_of_a_population_go_on_from_checkpoints(tmp_path: Path) -> None:
    """Trials end long before their checkpoints are looked at by the clock. What the last one leaves is too large."""
    source = """
import os

def objective(params, trial):
    file = trial.checkpoint_dir / "history"
    history = file.read_text().split() if file.exists() else []
    file.with_name("new").write_text(" ".join([*history, str(trial.number)]))
    os.replace(file.with_name("new"), file)
    if trial.number == 5:
        with open(trial.checkpoint_dir / "large", "wb") as large:
            large.truncate(257 * 2**20)
    return {"rmse": trial.number, "length": len(history), "parent": int(history[-1]) if history else -1}
"""
    algorithm = {"name": "PBT", "seed": 3, "pbt": {"populationSize": 2}}
    job = a_job(python="train:objective", engine="RayTune", algorithm=algorithm, trials=6, failures=1)
    search = Search(tmp_path, job, {"train.py": source})
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    found = search.trials()
    assert states(found) == [TrialState.COMPLETE] * 5 + [TrialState.FAIL]
    origins = [origin_of(trial) for trial in found]
    assert [trial.user_attrs["afina:metrics"]["length"] for trial in found[:5]] == [0, 0, 1, 1, 2]
    assert [trial.user_attrs["afina:metrics"]["parent"] for trial in found[2:5]] == [
        origin.parent for origin in origins[2:5] if origin
    ]
    assert any(not goes_on(trial, found) for trial in found[2:5]), "the later ones are worse"
    assert found[5].user_attrs["afina:reason"] == TrialReason.CHECKPOINT_LOST
    assert "it has 257 MiB, and 256 at most can be sent" in found[5].user_attrs["afina:message"]
    assert checkpoints(tmp_path) == needed(found)
    assert not checkpoints(tmp_path, "work/actor-*/") & {0, 1, 2, 3, 4}, "nothing is left on the nodes"


async def test_an_objective_that_cannot_be_loaded_costs_no_trial(tmp_path: Path) -> None:
    search = Search(tmp_path, a_job(python="trian:objective", engine="RayTune"))
    assert await search.run() == Verdict(
        Reason.INVALID_OBJECTIVE,
        "trian:objective cannot be loaded: ModuleNotFoundError: No module named 'trian'",
    )
    assert search.trials() == []
