"""Tells in the log how far long work is, every few seconds."""

import logging
import time

from afina_jobs.dataset.limits import size

log = logging.getLogger(__name__)

_SECONDS = 5.0


class Progress:
    """One piece of work."""

    def __init__(self, doing: str) -> None:
        """Begin; `doing` is what the log says, such as `reading`."""
        self._doing = doing
        self._told = time.monotonic()

    def rows(self, count: int) -> None:
        """So many rows are done."""
        self._tell(f"row {count:,}")

    def bytes(self, count: int, total: int | None) -> None:
        """So many bytes are done, of so many where it is known."""
        self._tell(size(count) + (f" of {size(total)}" if total else ""))

    def _tell(self, how_far: str) -> None:
        if time.monotonic() - self._told > _SECONDS:
            self._told = time.monotonic()
            log.info("%s %s", self._doing, how_far)
