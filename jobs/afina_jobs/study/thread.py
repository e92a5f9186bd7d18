"""The one thread in which the study is touched."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class StudyThread:
    """Lets an event loop wait for steps on the study, which block and must come one after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "study")

    async def __call__(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do a step. Once asked for it is done, whoever stops waiting for it."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, partial(step, *args, **kwargs))
        return await asyncio.shield(future)
