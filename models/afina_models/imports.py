"""Imports that cost less: libraries import others that are there, for arguments that are never passed here."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Lets a library that is imported meanwhile believe that some others are not there: seconds of a start, and memory.

    Where they are imported already, that is left as it is.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the import system says it is not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def do_without(*names: str) -> None:
    """The same for the rest of the process, whatever imports what in whichever thread."""
    for name in names:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


@contextmanager
def importing() -> Iterator[None]:
    """What is imported meanwhile stays: it is not looked through for garbage, now or later. A seventh of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
