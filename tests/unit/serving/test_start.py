"""A server that has nothing to serve says why, and ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.model_servers import an_environment
from support.models import a_regressor


def start(folder: Path, **changes: str) -> tuple[int, dict[str, str]]:
    digest = a_regressor(folder)
    env = an_environment(folder, digest) | changes
    ended = subprocess.run([sys.executable, "-m", "afina_serving"], env={k: v for k, v in env.items() if v != "unset"})
    return ended.returncode, json.loads((folder / "termination").read_text())


CASES = {
    "another model": ({"AFINA_MODEL_DIGEST": "sha256:" + "0" * 64}, "DigestMismatch", "it should be sha256:000"),
    "no such folder": ({"AFINA_MODEL": "/nowhere"}, "ModelUnavailable", "/nowhere cannot be downloaded"),
    "no such scheme": ({"AFINA_MODEL": "nowhere://x"}, "ModelUnavailable", "nowhere://x cannot be downloaded"),
    "a variable is missing": ({"AFINA_REVISION": "unset"}, "InvalidSettings", "AFINA_REVISION is not set"),
    "a runtime of others": ({"AFINA_RUNTIME": "Triton"}, "InvalidSettings", "'Triton' is none of Uvicorn, RayServe"),
    "another model for Ray": (
        {"AFINA_RUNTIME": "RayServe", "AFINA_MODEL_DIGEST": "sha256:" + "0" * 64}, "DigestMismatch", "sha256:000",
    ),
    "a port that is none": ({"PORT": "http"}, "InvalidSettings", "'http'"),
}  # fmt: skip


def test_mlflow_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    download = "from afina_serving.download import main; main('nowhere://x', '.')"
    code = f"import os; {download}; print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "true"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_why_it_does_not_start(case: tuple[dict[str, str], str, str], tmp_path: Path) -> None:
    changes, reason, message = case
    code, told = start(tmp_path, **changes)
    assert code == 10
    assert told["reason"] == reason
    assert message in told["message"]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def say_nan(file: Path) -> None:
    file.write_text(file.read_text().replace('"weights": [\n   1.0', '"weights": [\n   NaN'))


BROKEN: dict[str, tuple[Callable[[Path], object], bool, str]] = {
    "a flipped bit": (flip, False, "DigestMismatch"),
    "no JSON": (lambda file: file.write_text("{"), True, "ModelUnreadable"),
    "NaN": (say_nan, True, "ModelUnreadable"),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_model_is_not_served(case: tuple[Callable[[Path], object], bool, str], tmp_path: Path) -> None:
    from afina_models.digest import FILES, digest

    spoil, registered, reason = case
    known = a_regressor(tmp_path)
    spoil(tmp_path / "model" / FILES / "model.json")
    env = an_environment(tmp_path, digest(tmp_path / "model" / FILES) if registered else known)
    assert subprocess.run([sys.executable, "-m", "afina_serving"], env=env).returncode == 10
    assert json.loads((tmp_path / "termination").read_text())["reason"] == reason


def test_a_source_that_mlflow_knows_is_downloaded(tmp_path: Path) -> None:
    from afina_models.digest import FILES
    from afina_serving.download import fetched

    a_regressor(tmp_path)
    found = fetched((tmp_path / "model").as_uri(), tmp_path / "download")
    assert found == tmp_path / "download" / FILES
    assert (found / "model.json").is_file()
