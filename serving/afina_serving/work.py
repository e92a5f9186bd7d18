"""Predictions that take their time: one after the other in a thread, and no more of them than the queue holds."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from afina_serving.errors import RequestError

T = TypeVar("T")
_RETRY_SECONDS = 1


class Work:
    """The thread and its queue."""

    def __init__(self, max_queue: int, timeout_seconds: float) -> None:
        self._max_queue = max_queue
        self._timeout_seconds = timeout_seconds
        self._thread = ThreadPoolExecutor(1, "predict")
        self._waiting = 0

    async def do(self, task: Callable[[], T]) -> T:
        """What the task gives.

        Raises:
            RequestError: the queue is full, or it takes too long.
        """
        if self._waiting >= self._max_queue:
            message = f"{self._waiting} predictions are waiting: come back later"
            raise RequestError(429, message, {"Retry-After": str(_RETRY_SECONDS)})
        loop = asyncio.get_running_loop()
        self._waiting += 1
        future = self._thread.submit(task)
        # Also of one that nobody waits for any more: it keeps the thread busy until it ends.
        future.add_done_callback(lambda done: self._left(loop, done))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._timeout_seconds)
        except TimeoutError as error:
            message = f"the prediction took more than {self._timeout_seconds:g} s: send fewer rows"
            raise RequestError(504, message) from error

    def _left(self, loop: asyncio.AbstractEventLoop, _done: Future[T]) -> None:
        def leave() -> None:
            self._waiting -= 1

        loop.call_soon_threadsafe(leave)
