"""Processes that outlive the command that started them.

Each has a log and a record of its pid, its start time and what it was started from. A pid alone proves nothing: after
a reboot it may be anybody's, so a process counts as ours only when the start time fits as well.
"""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.console import DevClusterError, say, tail
from devcluster.paths import Paths

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Component:
    """A long-running program: how to start it and how to know that it does its work."""

    name: str
    argv: tuple[str, ...]
    healthy: Callable[[], bool] = lambda: True
    # Path -> content of the files it is configured by.
    files: dict[Path, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Changes when the program must be started again because it would run differently."""
        sources = [*self.argv, *(f"{path}={text}" for path, text in sorted(self.files.items()))]
        return hashlib.sha256("\0".join(sources).encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """What is remembered of a started process. `started` is in clock ticks since boot."""

    pid: int
    started: int
    fingerprint: str


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def find(name: str, paths: Paths) -> Record | None:
    """The record of a component whose process is alive."""
    file = _record_file(name, paths)
    if not file.exists():
        return None
    record = Record(**json.loads(file.read_text()))
    return record if start_ticks(record.pid) == record.started else None


def was_started(name: str, paths: Paths) -> bool:
    """Whether the component belongs to this cluster, be its process alive or not."""
    return _record_file(name, paths).exists()


def ensure(components: list[Component], paths: Paths, *, settle_seconds: float = 5, start_seconds: float = 90) -> None:
    """Start, or start again, what is not running, was configured otherwise, or is not healthy; wait until all is.

    Raises DevClusterError with the end of its log when a component ends or is not healthy in time.
    """
    for component in components:
        reason = _why_start(component, paths, settle_seconds)
        if reason is not None:
            say(f"  {component.name}: {reason}")
            stop(component.name, paths)
            _start(component, paths)
    for component in components:
        if not _becomes_healthy(component, paths, start_seconds):
            state = "is not healthy" if find(component.name, paths) else "has ended"
            log = log_file(component.name, paths)
            raise DevClusterError(f"{component.name} {state}; end of {log}:\n{tail(log)}")


def stop(name: str, paths: Paths, *, grace_seconds: float = 10) -> None:
    """End a component's process if it runs: politely, then by force."""
    record = find(name, paths)
    if record is not None:
        kill(record.pid, record.started, grace_seconds)
    _record_file(name, paths).unlink(missing_ok=True)


def kill(pid: int, started: int, grace_seconds: float) -> None:
    """Terminate the process that has this pid and start time, after the grace by force."""
    for sent, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        if start_ticks(pid) != started:
            return
        os.kill(pid, sent)
        deadline = time.monotonic() + seconds
        while start_ticks(pid) == started and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def stop_all(paths: Paths) -> None:
    """End every component's process, all at once."""
    names = sorted(file.stem for file in _record_folder(paths).glob("*.json"))
    for record in filter(None, (find(name, paths) for name in names)):
        os.kill(record.pid, signal.SIGTERM)
    for name in names:
        stop(name, paths, grace_seconds=2)


def log_file(name: str, paths: Paths) -> Path:
    return paths.logs / f"{name}.log"


def _why_start(component: Component, paths: Paths, settle_seconds: float) -> str | None:
    record = find(component.name, paths)
    if record is None:
        return "died, starting again" if was_started(component.name, paths) else "starting"
    if record.fingerprint != component.fingerprint:
        return "configured anew, starting again"
    if not _becomes_healthy(component, paths, settle_seconds):
        return "not healthy, starting again"
    return None


def _start(component: Component, paths: Paths) -> None:
    for file, text in component.files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    log = log_file(component.name, paths)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("w") as output:
        process = subprocess.Popen(
            component.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            # Nearly all are Go programs, which collect garbage for a seventh of their time. There is memory instead.
            env={"GOGC": "300"} | os.environ,
        )
    # It is meant to outlive us; without this, Popen warns that nobody waited for it.
    process.returncode = 0
    started = start_ticks(process.pid)
    if started is not None:
        record = {"pid": process.pid, "started": started, "fingerprint": component.fingerprint}
        _record_folder(paths).mkdir(parents=True, exist_ok=True)
        _record_file(component.name, paths).write_text(json.dumps(record))


def _becomes_healthy(component: Component, paths: Paths, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while find(component.name, paths) is not None:
        if component.healthy():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return False


def _record_folder(paths: Paths) -> Path:
    return paths.cluster / "processes"


def _record_file(name: str, paths: Paths) -> Path:
    return _record_folder(paths) / f"{name}.json"
