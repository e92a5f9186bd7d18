"""The log of a run on a laptop: all of it in a file, what matters on the screen."""

import logging
from collections.abc import Callable
from pathlib import Path

import optuna


def log_to(file: Path, say: Callable[[str], None], shown: str) -> None:
    """Write all of the log to a file, and show the lines of one package, and everybody's warnings, too.

    Args:
        file: is appended to.
        say: shows a line.
        shown: name of the package, or of the module.
    """
    logging.captureWarnings(capture=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    written = logging.FileHandler(file)
    written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[written, _Shown(say, shown)], force=True)


class _Shown(logging.Handler):
    def __init__(self, say: Callable[[str], None], shown: str) -> None:
        super().__init__()
        self._say = say
        self._package = logging.Filter(shown)

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or self._package.filter(record):
            self._say(record.getMessage())
