"""What comes at the same time is answered together: in one turn of the event loop, or while others are answered."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from afina_serving.answers import Answer, Question

_MAX_BATCH_BYTES = 65_536
"""Of the bodies of requests that are answered together; one alone may be longer."""

Task = Callable[[], Question]
Answers = Sequence[Answer | Exception]
Answering = Callable[[Sequence[Task]], Awaitable[Answers]]


@dataclass(frozen=True)
class _Waiting:
    task: Task
    size: int
    answer: asyncio.Future[Answer]


@dataclass
class _Turn:
    """The first request, which is answered by who asks it, and those that came since."""

    tasks: list[Task]
    size: int
    others: list[asyncio.Future[Answer]]


class QuickWork:
    """Requests that are answered at once, in the event loop: those that came in one turn of it together."""

    def __init__(self, answering: Callable[[Sequence[Task]], Answers]) -> None:
        self._answering = answering
        self._turn: _Turn | None = None

    async def do(self, task: Task, size: int) -> Answer:
        """What is answered.

        Args:
            task: reads the request.
            size: of its body, in bytes.

        Raises:
            Exception: what went wrong with it.
        """
        turn = self._turn
        if turn is not None and turn.size + size <= _MAX_BATCH_BYTES:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            turn.tasks.append(task)
            turn.size += size
            turn.others.append(answer)
            return await answer
        turn = self._turn = _Turn([task], size, [])
        try:
            await asyncio.sleep(0)
        finally:
            # The others wait also where the first does so no longer.
            if self._turn is turn:
                self._turn = None
            result, *results = self._answering(turn.tasks)
            for other, one in zip(turn.others, results, strict=True):
                _tell(other, one)
        if isinstance(result, Exception):
            raise result
        return result


class Work:
    """The queue: requests that wait, and those that are being answered."""

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
                _tell(one.answer, result)
        # At once: who comes next must not take this for one that still looks.
        self._working.discard(asyncio.current_task())

    def _next(self) -> list[_Waiting]:
        found = [self._waiting.popleft()]
        size = found[0].size
        while self._waiting and size + self._waiting[0].size <= _MAX_BATCH_BYTES:
            found.append(self._waiting.popleft())
            size += found[-1].size
        return found


def _tell(answer: asyncio.Future[Answer], result: Answer | Exception) -> None:
    if answer.done():  # nobody waits for it any more
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
