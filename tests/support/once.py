"""What one of several processes makes for all of them."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@contextmanager
def made_once(folder: Path, make: Callable[[], AbstractContextManager[Json]]) -> Iterator[Json]:
    """What `make` gives. It is made by the process that comes first, and unmade by it when the others have left.

    Args:
        folder: the same for all.
        make: makes it, gives what is to be known of it, and unmakes it.
    """
    folder.mkdir(exist_ok=True)
    known = folder / "known.json"
    with ExitStack() as stack:
        # Closed last, which gives up the lock.
        users = stack.enter_context((folder / "users").open("w"))
        with (folder / "makers").open("w") as makers:
            fcntl.flock(makers, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not known.exists():
                known.write_text(json.dumps(stack.enter_context(make())))
                stack.callback(fcntl.flock, users, fcntl.LOCK_EX)  # when all others have given up theirs
        yield json.loads(known.read_text())
