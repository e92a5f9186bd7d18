"""Trials of the engine RayTune that begin where a checkpoint left off, with a real Ray of its own for each search."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from afina_api.reasons import Reason, RetryReason, TrialReason
from afina_jobs.search.population import goes_on, needed, origin_of
from afina_jobs.study.retries import retries_of
from support.searches import Search, a_job

pytestmark = pytest.mark.integration

DIES = """
import os, psutil, signal, time

def objective(params, trial):
    epoch = trial.checkpoint_dir / "epoch"
    first = int(epoch.read_text()) if epoch.exists() else 0
    with open({folder!r} + "/firsts", "a") as firsts:
        firsts.write(f"{{first}}\\n")
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
    first, again = (int(line) for line in (tmp_path / "firsts").read_text().splitlines())
    assert first == 0
    assert 0 < again <= 14
    assert list(trial.intermediate_values) == list(range(20))
    assert not list((tmp_path / "checkpoints").iterdir())


def checkpoints(folder: Path, where: str = "") -> set[int]:
    """The trials of which there is a checkpoint."""
    return {int(found.name) for found in folder.glob(f"{where}checkpoints/*")}


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
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 5 + [TrialState.FAIL]
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
