"""The driver's end of the conversation with a worker process (see afina_jobs.worker)."""

import asyncio
import json
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from afina_jobs.objectives.base import Surroundings
from afina_jobs.objectives.output import TrialOutput
from afina_jobs.process.group import ProcessGroup

Message = dict[str, Any]

_LAST_WORDS_SECONDS = 1.0
"""So long is listened to a process that has died: a child of its may hold the line open for ever. And so long is waited
for the end of one that has hung up, so that its exit code is its own and not that of our signal."""
_MAX_MESSAGE = 2**20


class Worker:
    """A process that answers each request with messages of one line."""

    def __init__(
        self, process: ProcessGroup, output: TrialOutput, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.output = output
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, around: Surroundings) -> Self:
        """Start a process that has loaded nothing yet."""
        return await cls.start_module("afina_jobs.worker", around.folder, around.env, TrialOutput("loading"))

    @classmethod
    async def start_module(cls, module: str, folder: Path, env: Mapping[str, str], output: TrialOutput) -> Self:
        """Start a module of ours that speaks so, in a folder."""
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            process = await ProcessGroup.start(
                [sys.executable, "-u", "-P", "-m", module, str(fd)],
                folder=folder,
                env=env,
                on_output=output,
                on_error=output,
                pass_fds=(fd,),
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=_MAX_MESSAGE)
        return cls(process, output, reader, writer)

    async def ask(self, request: Message) -> Message | None:
        """Send a request; the first message that answers it, as `listen` has it."""
        await self.tell(request)
        return await self.listen()

    async def tell(self, message: Message) -> None:
        """Send a message. Whether it was heard, `listen` will show."""
        with suppress(ConnectionError):
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()

    async def listen(self) -> Message | None:
        """The next message, or None when there will be none any more: then `stop` has the exit code."""
        read = asyncio.create_task(self._reader.readline())
        try:
            await asyncio.wait({read, self._process.exited}, return_when=asyncio.FIRST_COMPLETED)
            async with asyncio.timeout(None if read.done() else _LAST_WORDS_SECONDS):
                line = await read
        except (TimeoutError, ConnectionError, ValueError):
            return None
        finally:
            read.cancel()
        self._process.drain()
        if not line.endswith(b"\n"):
            await asyncio.wait({self._process.exited}, timeout=_LAST_WORDS_SECONDS)
            return None
        found: Message = json.loads(line)
        return found

    async def stop(self, patience_seconds: float = 0.0) -> int:
        """Hang up, and end the process if it has not ended in that time; its exit code."""
        self._writer.close()
        if patience_seconds:
            await asyncio.wait({self._process.exited}, timeout=patience_seconds)
        return await self._process.stop()
