"""Which object is next.

A key is worked on by one worker at a time; a key that is added while it waits is there once, one that is added while
it is worked on comes again afterwards, though not at once: a change comes with others, one's own writes among them.
A key can be added for later: the earliest time counts.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from afina_operator import metrics

REST_SECONDS = 0.3
"""Between two times that a key is worked on, at least."""
_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 300.0

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys that wait for a worker. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._ready_since: dict[K, float] = {}
        self._working: set[K] = set()
        self._added_meanwhile: set[K] = set()
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._wakeup = asyncio.Semaphore(0)
        metrics.QUEUE_DEPTH.set_function(lambda: len(self._ready))

    def add(self, key: K) -> None:
        """Work on the key as soon as a worker is free."""
        if later := self._later.pop(key, None):
            later.cancel()
        if key in self._working:
            self._added_meanwhile.add(key)
        elif key not in self._ready_since:
            self._ready_since[key] = time.monotonic()
            self._ready.append(key)
            self._wakeup.release()

    def add_after(self, key: K, seconds: float) -> None:
        """Work on the key in so many seconds, unless it is due earlier anyway."""
        due = asyncio.get_running_loop().time() + seconds
        waiting = self._later.get(key)
        if key in self._ready_since or key in self._added_meanwhile or (waiting and waiting.when() <= due):
            return
        if waiting:
            waiting.cancel()
        self._later[key] = asyncio.get_running_loop().call_at(due, self.add, key)

    def add_failed(self, key: K) -> float:
        """Work on the key again after a pause that doubles with every failure in a row.

        Returns:
            The pause in seconds.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(_FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30), _LONGEST_RETRY_SECONDS)
        self.add_after(key, pause)
        return pause

    def forget_failures(self, key: K) -> None:
        """The key was worked on well: its next failure is a first one."""
        self._failures.pop(key, None)

    async def take(self) -> K:
        """Wait for a key; `done` must follow."""
        await self._wakeup.acquire()
        key = self._ready.popleft()
        metrics.QUEUE_WAIT_SECONDS.observe(time.monotonic() - self._ready_since.pop(key))
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker is finished with the key."""
        asyncio.get_running_loop().call_later(REST_SECONDS, self._rested, key)

    def _rested(self, key: K) -> None:
        self._working.discard(key)
        if key in self._added_meanwhile:
            self._added_meanwhile.discard(key)
            self.add(key)
