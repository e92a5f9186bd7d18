"""Turns a signal into the cancellation of what runs."""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


async def until_signalled(work: Coroutine[Any, Any, T], signals: Sequence[signal.Signals]) -> T | None:
    """The work's result, or None when one of the signals came and the work has been cancelled.

    Later signals change nothing: whoever sent the first waits for the work to clean up.
    """
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        log.info("told to stop; what runs now will be run again")
        task.cancel()

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        return None
