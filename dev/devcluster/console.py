"""What a person sees: phases with their seconds, a sign of life from long commands, and one kind of error."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_SIGN_OF_LIFE_SECONDS = 15
_TAIL_LINES = 25


class DevClusterError(Exception):
    """Something a person must know or do; the message says what."""


def say(text: str) -> None:
    """Tell how things go; results, which other programs read, go to the standard output instead."""
    print(text, file=sys.stderr, flush=True)


class Timeline:
    """The phases of one command and how long each took."""

    def __init__(self) -> None:
        self._phases: list[tuple[str, float]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        say(f"==> {name}")
        started = time.monotonic()
        yield
        self._phases.append((name, time.monotonic() - started))

    def summary(self) -> str:
        rows = [*self._phases, ("total", sum(seconds for _, seconds in self._phases))]
        return "\n".join(f"  {seconds:7.1f} s  {name}" for name, seconds in rows)


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log file, indented; empty when there is none."""
    if not log.exists():
        return ""
    return "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-lines:])


def run_logged(what: str, argv: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str]) -> None:
    """Run a long command with its output in `log`, telling every 15 seconds that it still runs.

    Raises DevClusterError with the log's tail when it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    done = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not done.wait(_SIGN_OF_LIFE_SECONDS):
            say(f"    {what}: {time.monotonic() - started:.0f} s")

    threading.Thread(target=tell, daemon=True).start()
    try:
        with log.open("w") as output:
            result = subprocess.run(argv, cwd=cwd, env=dict(env), stdout=output, stderr=subprocess.STDOUT, check=False)
    finally:
        done.set()
    if result.returncode != 0:
        raise DevClusterError(f"{what} failed with exit status {result.returncode}; end of {log}:\n{tail(log)}")


def run_quiet(argv: Sequence[str], *, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a short command and return what it printed.

    Raises DevClusterError with the command and its error output when it fails.
    """
    result = subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DevClusterError(f"`{' '.join(argv)}` failed: {(result.stderr or result.stdout).strip()}")
    return result.stdout
