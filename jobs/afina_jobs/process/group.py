"""A process in a session of its own, ended together with everything it started."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from afina_jobs.process.lines import LinePump
from afina_jobs.process.memory import offer_to_oom_killer

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL."""


class ProcessGroup:
    """One program, its output, and its descendants as far as they stay in its session."""

    def __init__(self, process: asyncio.subprocess.Process, pumps: Sequence[LinePump]) -> None:
        self._process = process
        self._pumps = pumps
        self.exited: asyncio.Task[int] = asyncio.create_task(self._wait())
        """Ends with the exit code, or minus the signal, when the program and its group are gone."""

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str],
        on_output: Callable[[str], None],
        on_error: Callable[[str], None],
        pass_fds: Sequence[int] = (),
    ) -> "ProcessGroup":
        """Start a program.

        Raises:
            OSError, ValueError: it does not exist, is not executable, or an argument holds a NUL.
        """
        (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=folder,
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out_write,
                stderr=err_write,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        except BaseException:
            os.close(out_read)
            os.close(err_read)
            raise
        finally:
            os.close(out_write)
            os.close(err_write)
        offer_to_oom_killer(process.pid)
        return cls(process, (LinePump(out_read, on_output), LinePump(err_read, on_error)))

    @property
    def output(self) -> LinePump:
        """The pump of its standard output."""
        return self._pumps[0]

    def drain(self) -> None:
        """Take the output that has been written so far."""
        for pump in self._pumps:
            pump.drain()

    async def stop(self) -> int:
        """End the program and its group, asked first and killed after GRACE_SECONDS; the exit code."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.exited.done():
                self._signal(number)
                await asyncio.wait({self.exited}, timeout=GRACE_SECONDS)
        return await self.exited

    async def _wait(self) -> int:
        code = await self._process.wait()
        self._signal(signal.SIGKILL)
        for pump in self._pumps:
            pump.close()
        reap_orphans()
        return code

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def reap_orphans() -> None:
    """Bury the dead whose parents have died too: in a pod the driver is process 1, and they become its children."""
    if os.getpid() != 1:
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, state, parent, session = _read_stat(stat)
            # A session's leader is a program of ours, which asyncio waits for.
            if state == "Z" and parent == 1 and pid != session:
                os.waitpid(pid, os.WNOHANG)
        except (OSError, ChildProcessError):
            continue


def _read_stat(path: Path) -> tuple[int, str, int, int]:
    """Pid, state, parent and session of a process."""
    pid, _, rest = path.read_text().partition(" ")
    state, parent, _, session, *_ = rest.rpartition(")")[2].split()
    return int(pid), state, int(parent), int(session)
