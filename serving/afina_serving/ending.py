"""The end of a server that cannot serve: its last words, and its exit code."""

import logging
import os
import select
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from afina_api.serving import ServerReason
from afina_api.termination import termination_message
from afina_serving.errors import StartError

EXIT_FAILED = 10
"""It would fail the same way again."""
EXIT_RUNTIME_ENDED = 1
"""Another start may help."""

log = logging.getLogger(__name__)


def told(error: StartError) -> int:
    """Say why, where the kubelet reads it; the exit code."""
    log.error("%s: %s", error.reason, error)
    place = Path(os.environ.get("AFINA_TERMINATION_LOG", "/dev/termination-log"))
    place.write_text(termination_message(error.reason, str(error)))
    return EXIT_RUNTIME_ENDED if error.reason is ServerReason.RUNTIME_ENDED else EXIT_FAILED


@contextmanager
def needed(processes: Collection[int], name: str) -> Iterator[None]:
    """Within the block, end this process as soon as one of its children does: without them it answers nothing.

    Args:
        processes: their ids.
        name: of what they are, for people.
    """
    block_ended, handles = threading.Event(), [os.pidfd_open(process) for process in processes]

    def wait() -> None:
        select.select(handles, [], [])
        if not block_ended.is_set():
            os._exit(told(StartError(ServerReason.RUNTIME_ENDED, f"a process of {name} has ended")))

    threading.Thread(target=wait, name="children", daemon=True).start()
    try:
        yield
    finally:
        block_ended.set()
