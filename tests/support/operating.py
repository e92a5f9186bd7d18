"""Operators as processes that are forked: to import what it is made of takes an operator most of its start."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["afina_operator.main"])


def operating(environment: Mapping[str, str], log: Path, audit: float) -> ForkServerProcess:
    """The process of an operator, not started yet.

    Args:
        environment: besides this process's own.
        log: takes what it writes.
        audit: seconds between two audits of the watches.
    """
    return _FORKS.Process(target=_operate, args=({**os.environ, **environment}, log, audit), daemon=True)


def _operate(environment: Mapping[str, str], log: Path, period: float) -> None:
    from afina_operator import audit, main

    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    audit._PERIOD_SECONDS = period
    main.main()
