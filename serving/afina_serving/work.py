"""The queue to the model: what waits is answered together, when what came before is answered."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from afina_serving.answers import Answer, Question

_MAX_BATCH_BYTES = 65_536
"""Of the bodies of requests that are answered together; one alone may be longer."""

Task = Callable[[], Question]
Answering = Callable[[Sequence[Task]], Awaitable[Sequence[Answer | Exception]]]


@dataclass(frozen=True)
class _Waiting:
    task: Task
    size: int
    answer: asyncio.Future[Answer]


class Work:
    """Requests that wait, and those that are being answered."""

    def __init__(self, answering: Answering, parallel: int = 1) -> None:
        self._answering = answering
        self._parallel = parallel
        self._working: set[asyncio.Task[None] | None] = set()
        self._waiting: deque[_Waiting] = deque()
        self._begun = 0

    @property
    def held(self) -> int:
        """How many requests there are, also of those that nobody waits for any more."""
        return len(self._waiting) + self._begun

    async def do(self, task: Task, size: int) -> Answer:
        """What is answered.

        Args:
            task: reads the request.
            size: of its body, in bytes.

        Raises:
            Exception: what went wrong with it.
        """
        one = _Waiting(task, size, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if len(self._working) < self._parallel:
            self._working.add(asyncio.create_task(self._work()))
        return await one.answer

    async def _work(self) -> None:
        while self._waiting:
            batch = self._next()
            self._begun += len(batch)
            results = await self._answering([one.task for one in batch])
            self._begun -= len(batch)
            for one, result in zip(batch, results, strict=True):
                if one.answer.done():  # nobody waits for it any more
                    continue
                if isinstance(result, Exception):
                    one.answer.set_exception(result)
                else:
                    one.answer.set_result(result)
        # At once: who comes next must not take this for one that still looks.
        self._working.discard(asyncio.current_task())

    def _next(self) -> list[_Waiting]:
        found = [self._waiting.popleft()]
        size = found[0].size
        while self._waiting and size + self._waiting[0].size <= _MAX_BATCH_BYTES:
            found.append(self._waiting.popleft())
            size += found[-1].size
        return found
