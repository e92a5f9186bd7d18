"""Requests at a steady rate, to this machine only, from a thread of their own."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp

from afina_api.serving import REVISION_HEADER

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Answer:
    """What came of one request."""

    at: float
    """time.monotonic() when it was sent."""
    status: int
    """0: no answer."""
    revision: str


class Background:
    """What goes on in a thread of its own for as long as a block lasts."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        """Go on until `_stop` is set."""
        raise NotImplementedError


@dataclass
class Load(Background):
    """Open-loop load: requests are sent when they are due, whether or not others are answered."""

    url: str
    bodies: Sequence[object]
    """Drawn at random: if they took turns, a gateway that takes turns too would give each revision its own kind."""
    per_second: float = 200.0
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def since(self, moment: float) -> list[Answer]:
        """The answers to requests that were sent since then."""
        return [answer for answer in self.answers if answer.at >= moment]

    def failures(self) -> Counter[int]:
        """How many requests failed, by status."""
        return Counter(answer.status for answer in self.answers if answer.status != 200)

    def _work(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            began, sent, drawn = time.monotonic(), 0, random.Random(0)  # noqa: S311 - no secret
            while not self._stop.is_set():
                due = int((time.monotonic() - began) * self.per_second)
                for _ in range(sent, due):
                    group.create_task(self._one(session, drawn.choice(self.bodies)))
                sent = max(sent, due)
                await asyncio.sleep(0.01)

    async def _one(self, session: aiohttp.ClientSession, body: object) -> None:
        at = time.monotonic()
        status, revision = 0, ""
        try:
            async with session.post(self.url, json=body) as response:
                await response.read()
                status, revision = response.status, response.headers.get(REVISION_HEADER, "")
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        self.answers.append(Answer(at, status, revision))
