"""What a trial leaves for the next time that it is run."""

import asyncio
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from afina_api.reasons import Reason
from afina_jobs.raytune import parcel
from afina_jobs.raytune.parcel import Parcel
from support.searches import Search, a_job, wait_for

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
