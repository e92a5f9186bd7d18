"""The `afina` command, as it is used on a laptop."""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from afina_jobs.cli import main

AFINA = [sys.executable, "-c", "from afina_jobs.cli import main; main(prog_name='afina')"]
_ENV = {"COLUMNS": "100", "MLFLOW_TRACKING_URI": None}


def afina(*arguments: str | Path, cwd: Path = Path()) -> Result:
    """Run it in this process: to import all that it needs takes longer than most of what is asked of it here."""
    with contextlib.chdir(cwd), _same_log():
        return CliRunner(env=_ENV).invoke(main, [*map(str, arguments)])


def afina_alone(*arguments: str | Path, cwd: Path = Path()) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, as a shell does."""
    env = {name: value for name, value in (os.environ | _ENV).items() if value is not None}
    return subprocess.run([*AFINA, *map(str, arguments)], cwd=cwd, env=env, text=True, capture_output=True)


def a_kubectl(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that does as the shell script says."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@contextlib.contextmanager
def _same_log() -> Iterator[None]:
    """A command has the log for itself; who comes after it must not write to its files."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
