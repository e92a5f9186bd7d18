"""Reads a pipe line by line, whatever the other side does to it."""

import asyncio
import os
from collections.abc import Callable

MAX_LINE = 16_384
"""Bytes of a line that are kept; the rest is dropped."""
_CHUNK = 65_536
_FULL_PIPE = 2**20 // _CHUNK
"""Chunks that the largest pipe holds: a writer that never ends cannot keep us reading."""


class LinePump:
    """Calls back for each line that arrives in a pipe, in memory that does not grow with the line.

    A carriage return starts the line anew, so that of a progress bar the last state is left.
    """

    def __init__(self, fd: int, on_line: Callable[[str], None]) -> None:
        self._fd = fd
        self._on_line = on_line
        self._line = b""
        self._closed = False
        os.set_blocking(fd, False)
        self.resume()

    def pause(self) -> None:
        """Read no more for now, so that the writer waits."""
        asyncio.get_running_loop().remove_reader(self._fd)

    def resume(self) -> None:
        """Read on."""
        if not self._closed:
            asyncio.get_running_loop().add_reader(self._fd, self._read)

    def drain(self) -> None:
        """Take what has been written so far."""
        for _ in range(_FULL_PIPE):
            if self._closed or not self._read():
                return

    def close(self) -> None:
        """Take what has been written so far, and let go of the pipe."""
        self.drain()
        self._close()
        self._finish_line()

    def _read(self) -> bool:
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        if not chunk:
            self._close()
            return False
        first, *others = chunk.split(b"\n")
        self._extend(first)
        for part in others:
            self._finish_line()
            self._extend(part)
        return True

    def _extend(self, part: bytes) -> None:
        line = self._line + part
        # A carriage return at the very end may belong to a newline that has yet to come.
        start = line.rfind(b"\r", 0, -1) + 1
        self._line = line[start : start + MAX_LINE]

    def _finish_line(self) -> None:
        line, self._line = self._line.rstrip(b"\r"), b""
        if line:
            self._on_line(line.decode(errors="replace"))

    def _close(self) -> None:
        if not self._closed:
            self.pause()
            os.close(self._fd)
            self._closed = True
