"""What a trial leaves for the next time that it is run."""

import asyncio
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from optuna.trial import FrozenTrial, TrialState

from afina_api.reasons import Reason, TrialReason
from afina_api.tuningjob import TuningJob
from afina_jobs.objectives.base import Place
from afina_jobs.raytune import parcel
from afina_jobs.raytune.parcel import Parcel, ParcelTooLargeError
from afina_jobs.search.population import goes_on, needed, origin_of
from afina_jobs.study.ledger import MESSAGE, METRICS, REASON
from afina_jobs.study.storage import sqlite_url
from support.laptop import afina
from support.searches import Driver, Search, a_job, stored_trials, wait_for

PYTHON = """
import time

def objective(params, trial):
    seen = trial.checkpoint_dir / "seen"
    if not seen.exists():
        seen.touch()
        time.sleep(600)
    return 1.0
"""
SHELL = """
if [ -e $AFINA_CHECKPOINT_DIR/seen ]; then echo '{"rmse": 1}'; exit; fi
touch $AFINA_CHECKPOINT_DIR/seen
sleep 600
"""


@pytest.mark.parametrize(
    "job", [a_job(python="train:objective", trials=1), a_job(script=SHELL, trials=1)], ids=["python", "command"]
)
async def test_a_trial_that_is_run_again_finds_what_it_had_written(job: dict[str, Any], tmp_path: Path) -> None:
    search = Search(tmp_path, job, {"train.py": PYTHON})
    running = asyncio.create_task(search.run())
    folder = tmp_path / "checkpoints" / "0"
    await asyncio.to_thread(wait_for, (folder / "seen").exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert not await asyncio.to_thread(folder.exists), "a trial that has ended needs none"


PBT = {"name": "PBT", "seed": 3, "pbt": {"populationSize": 3}}
HISTORY = """
import json, os, signal

def objective(params, trial):
    file = trial.checkpoint_dir / "history"
    history = json.loads(file.read_text()) if file.exists() else []
    {before}
    if history[-1:] != [trial.number]:  # else this is what an earlier run of this trial wrote
        history.append(trial.number)
        file.with_name("new").write_text(json.dumps(history))
        os.replace(file.with_name("new"), file)
    {after}
    return {{"rmse": params["x"], "length": len(history), "parent": (history[-2:-1] or [-1])[0]}}
"""
SHELL_HISTORY = """
cd $AFINA_CHECKPOINT_DIR
[ "$(tail -n 1 history)" = $AFINA_TRIAL_NUMBER ] || echo $AFINA_TRIAL_NUMBER >> history
parent=$(tail -n 2 history | head -n $(( $(wc -l < history) > 1 )))
echo "{\\"rmse\\": $AFINA_PARAM_X, \\"length\\": $(wc -l < history), \\"parent\\": ${parent:--1}}"
"""


def assert_inherited(trials: list[FrozenTrial], count: int) -> None:
    """Each trial has seen what its parent left: once, and as a whole."""
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * count
    for trial in trials:
        origin, seen = origin_of(trial), trial.user_attrs[METRICS]
        assert origin
        before = 0 if origin.parent is None else trials[origin.parent].user_attrs[METRICS]["length"]
        assert (seen["parent"], seen["length"]) == (-1 if origin.parent is None else origin.parent, before + 1)
    assert any(not goes_on(trial, trials) for trial in trials[3:]), "some went on from another member"


@pytest.mark.parametrize(
    "job",
    [
        a_job(python="train:objective", algorithm=PBT, trials=12, parallel=2),
        a_job(script=SHELL_HISTORY, algorithm=PBT, trials=12, parallel=2),
    ],
    ids=["python", "command"],
)
async def test_members_of_a_population_go_on_from_checkpoints(job: dict[str, Any], tmp_path: Path) -> None:
    search = Search(tmp_path, job, {"train.py": HISTORY.format(before="", after="")})
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    trials = search.trials()
    assert_inherited(trials, 12)
    kept = {int(folder.name) for folder in (tmp_path / "checkpoints").iterdir()}
    assert kept == needed(trials)
    assert len(kept) == 6, "the last two of each member"


def test_a_population_goes_on_with_a_larger_budget(tmp_path: Path) -> None:
    for trials in (4, 8):
        job = a_job(script=SHELL_HISTORY, algorithm=PBT, trials=trials)
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
        assert afina("run", tmp_path / "job.yaml", "--output", tmp_path / "out").exit_code == 0
    assert_inherited(stored_trials(sqlite_url(tmp_path / "out"), TuningJob.model_validate(job)), 8)


def test_a_population_goes_on_after_kills_as_if_there_were_none(tmp_path: Path) -> None:
    """The sixth trial kills the driver after it has written its checkpoint, the ninth before."""
    kill = "os.path.exists('../../{0}') or (open('../../{0}', 'w').close(), os.kill(os.getppid(), signal.SIGKILL))"
    deadly = HISTORY.format(
        before=f"trial.number != 8 or {kill.format('second')}", after=f"trial.number != 5 or {kill.format('first')}"
    )
    found = []
    for name, code in (("killed", deadly), ("straight", HISTORY.format(before="", after=""))):
        (tmp_path / name).mkdir()
        driver = Driver(tmp_path / name, a_job(python="train:objective", algorithm=PBT, trials=12), {"train.py": code})
        expected = [-9, -9, 0] if name == "killed" else [0]
        assert [driver.run() for _ in expected] == expected
        trials = driver.trials()
        assert_inherited(trials, 12)
        found.append([(trial.params, origin_of(trial), trial.value) for trial in trials])
        assert not (tmp_path / name / "study" / "checkpoints").exists(), "none is needed after the end"
    assert found[0] == found[1]


async def test_a_trial_whose_parents_checkpoint_cannot_be_copied_fails(tmp_path: Path) -> None:
    code = "import os\ndef objective(params, trial): os.mkfifo(trial.checkpoint_dir / 'pipe'); return params['x']"
    job = a_job(python="train:objective", algorithm=PBT, trials=6, failures=2)
    search = Search(tmp_path, job, {"train.py": code})
    await search.run()
    failed = search.trials()[3]
    assert failed.user_attrs[REASON] == TrialReason.CHECKPOINT_LOST
    assert "cannot be copied" in failed.user_attrs[MESSAGE]
    assert "is a named pipe" in failed.user_attrs[MESSAGE]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Where trial 7 has a checkpoint."""
    place = Place(tmp_path / "work", None, tmp_path / "checkpoints")
    (place.checkpoints / "7" / "deep").mkdir(parents=True)
    (place.checkpoints / "7" / "deep" / "weights").write_text("new")
    (place.checkpoints / "7" / "last").symlink_to("deep/weights")
    return place


def test_a_copy_that_was_cut_off_is_made_again(place: Place) -> None:
    (place.checkpoints / "9.arriving" / "deep").mkdir(parents=True)
    (place.checkpoints / "9.arriving" / "deep" / "weights").write_text("n")
    place.inherit_checkpoint(9, 7)
    assert contents(place.checkpoints / "9") == contents(place.checkpoints / "7")
    assert (place.checkpoints / "9" / "last").readlink() == Path("deep/weights")
    assert sorted(folder.name for folder in place.checkpoints.iterdir()) == ["7", "9"]


def test_a_copy_that_fails_leaves_none(place: Place) -> None:
    os.mkfifo(place.checkpoints / "7" / "pipe")
    with pytest.raises(OSError, match="named pipe"):
        place.inherit_checkpoint(9, 7)
    assert not (place.checkpoints / "9").exists()


def test_what_a_trial_has_written_is_not_replaced(place: Place) -> None:
    (place.checkpoints / "9").mkdir()
    (place.checkpoints / "9" / "mine").touch()
    place.inherit_checkpoint(9, 7)
    assert contents(place.checkpoints / "9") == {"mine": b""}


def test_a_parent_may_have_written_nothing(place: Place) -> None:
    place.inherit_checkpoint(9, 8)
    assert not (place.checkpoints / "9").exists()


def test_what_is_not_needed_is_removed(place: Place) -> None:
    for name in ("8", "9.arriving", "10", "11", "11.arriving", "12", "mine"):
        (place.checkpoints / name).mkdir()
    place.keep_checkpoints({7, 10}, 12)
    assert {folder.name for folder in place.checkpoints.iterdir()} == {"7", "10", "12", "mine"}
    Place(place.workspace, None, place.checkpoints / "none").keep_checkpoints(set(), 12)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of two files; nobody waits to look at it."""
    monkeypatch.setattr(parcel, "_PAUSE_SECONDS", 0.0)
    folder = tmp_path / "7"
    (folder / "deep").mkdir(parents=True)
    (folder / "epoch").write_text("3")
    (folder / "deep" / "weights").write_bytes(b"\0" * 1000)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_checkpoint_arrives_as_it_was_sent_and_in_the_place_of_the_last(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "there" / "7"
    there.mkdir(parents=True)
    (there / "old").touch()
    Parcel(there).unpack(Parcel(folder).pack())
    assert contents(there) == contents(folder)
    assert [file.name for file in there.parent.iterdir()] == ["7"]


def test_only_what_has_changed_is_sent(folder: Path) -> None:
    sent = Parcel(folder)
    assert sent.changed() is None, "it came from where it would be sent to"
    (folder / "epoch").write_text("14")
    assert sent.changed() is not None
    assert sent.changed() is None


def test_what_is_too_large_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "MAX_BYTES", 100)
    sent = Parcel(folder)
    (folder / "epoch").write_text("14")
    assert sent.changed() is None


def test_the_rest_is_sent_at_once_or_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "_PAUSE_SECONDS", 1000.0)
    sent = Parcel(folder)
    assert sent.rest() is None
    (folder / "epoch").write_text("14")
    assert sent.rest() is not None
    assert sent.rest() is None
    monkeypatch.setattr(parcel, "MAX_BYTES", 2**20)
    (folder / "deep" / "weights").write_bytes(bytes(2**21))
    with pytest.raises(ParcelTooLargeError, match="it has 2 MiB, and 1 at most can be sent"):
        sent.rest()


def test_it_is_not_looked_at_all_the_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "_PAUSE_SECONDS", 1000.0)
    sent = Parcel(folder)
    (folder / "epoch").write_text("14")
    assert sent.changed() is None


def test_links_are_not_sent(folder: Path) -> None:
    os.symlink("/etc/passwd", folder / "link")
    with zipfile.ZipFile(io.BytesIO(Parcel(folder).pack())) as archive:
        assert sorted(archive.namelist()) == ["deep/weights", "epoch"]


def test_nothing_is_unpacked_outside(folder: Path, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../outside", "x")
        archive.writestr("/tmp/outside-of-afina", "x")  # noqa: S108 - that is what must not be written
    Parcel(folder).unpack(content.getvalue())
    assert {path.name for path in tmp_path.iterdir()} == {"7"}
    assert not Path("/tmp/outside-of-afina").exists()  # noqa: S108
