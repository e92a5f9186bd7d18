"""The Job's part: exit codes, last words, and a full disk."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from afina_api.base import as_json
from afina_jobs.dataset import build as building
from afina_jobs.dataset.run import DatasetSettings, run_dataset
from afina_jobs.driver import work

from .conftest import Make, a_dataset


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """What the operator's pod template says."""
    (tmp_path / "mounted").mkdir()
    return {
        "AFINA_SPEC": str(tmp_path / "spec.json"),
        "AFINA_SOURCE": str(tmp_path / "mounted"),
        "AFINA_STUDY": str(tmp_path / "volume"),
        "AFINA_WORKSPACE": str(tmp_path / "workspace"),
        "AFINA_TERMINATION_LOG": str(tmp_path / "termination"),
    }


@pytest.fixture
def settings(env: dict[str, str]) -> DatasetSettings:
    return DatasetSettings.from_environment(env)


def last_words(tmp_path: Path) -> dict[str, str]:
    return dict(json.loads((tmp_path / "termination").read_text()))


async def test_accepted_data_ends_with_0(settings: DatasetSettings, tmp_path: Path) -> None:
    (tmp_path / "mounted" / "source").write_text("a\n1\n")
    assert await run_dataset(a_dataset(), settings) == 0
    assert last_words(tmp_path) == {"reason": "Accepted", "message": "1 rows of 1 columns accepted, none rejected"}


async def test_bad_data_ends_with_10_and_says_why(settings: DatasetSettings, tmp_path: Path) -> None:
    (tmp_path / "mounted" / "source").write_text("")
    assert await run_dataset(a_dataset(), settings) == 10
    assert last_words(tmp_path)["reason"] == "UnreadableData"


async def test_failed_rules_end_with_10(settings: DatasetSettings, tmp_path: Path) -> None:
    (tmp_path / "mounted" / "source").write_text("a\n1\n")
    assert await run_dataset(a_dataset(validation=[{"minRows": 2}]), settings) == 10
    assert last_words(tmp_path)["reason"] == "ValidationFailed"


async def test_the_driver_makes_the_dataset_that_is_mounted(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mounted" / "source").write_text("a\n1\n")
    (tmp_path / "spec.json").write_text(json.dumps(as_json(a_dataset())))
    assert await work(env) == 0
    assert (tmp_path / "volume" / "data.parquet").exists()


async def test_a_spec_that_cannot_be_ends_with_10(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"kind": "Dataset", "spec": {}}')
    assert await work(env) == 10
    assert last_words(tmp_path)["reason"] == "InvalidSpec"


def test_a_full_disk_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "data.parquet")

    monkeypatch.setattr(building, "accept_rows", full)
    made = make("a\n1\n")
    assert made.outcome.reason == "StorageFull"
    assert "spec.volume.size" in made.outcome.message


def test_a_fault_of_ours_is_no_verdict_about_the_data(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(building, "accept_rows", broken)
    with pytest.raises(OSError, match="Input/output"):
        make("a\n1\n")
