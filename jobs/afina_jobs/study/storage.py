"""Opens the database that keeps a study: SQLite in a folder, or PostgreSQL by URL."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""For so long a database that does not answer is tried again before the driver gives up and is started anew."""
_BUSY_SECONDS = 30


class StorageFullError(Exception):
    """The volume or the database has no room left."""


class ForeignTablesError(Exception):
    """The database holds tables that this version of Optuna did not make."""


def sqlite_url(folder: Path) -> str:
    """The URL of the study's file in a folder."""
    return f"sqlite:///{folder / 'study.db'}"


def open_storage(url: str) -> RDBStorage:
    """Open a database; an empty one gets its tables.

    Raises:
        StorageFullError: there is no room for the tables.
        ForeignTablesError: another program, or another version of Optuna, keeps its tables there.
        SQLAlchemyError, StorageInternalError: it did not answer within PATIENCE_SECONDS.
    """
    return patiently(lambda: _open(url))


def _open(url: str) -> RDBStorage:
    if not url.startswith("sqlite"):
        return _checked(url.replace("{", "{{").replace("}", "}}"), {"pool_pre_ping": True})
    storage = _checked(url, {"connect_args": {"timeout": _BUSY_SECONDS}})
    with storage.engine.connect() as connection:
        # One fsync a commit instead of four; the setting stays in the file.
        connection.execute(sqlalchemy.text("PRAGMA journal_mode=WAL"))
    return storage


def _checked(url: str, engine_kwargs: Mapping[str, object]) -> RDBStorage:
    # Optuna's own check raises a RuntimeError, and leaves its connections open.
    storage = RDBStorage(url, engine_kwargs=dict(engine_kwargs), skip_compatibility_check=True)
    found, wanted = storage.get_current_version(), storage.get_head_version()
    if found != wanted:
        storage.engine.dispose()
        raise ForeignTablesError(f"its tables have the version {found}, not {wanted}")
    return storage


def patiently(step: Callable[[], T]) -> T:
    """Do a step on the database, again and again while it does not answer. The step must bear repetition.

    Raises:
        StorageFullError: there is no room left.
        SQLAlchemyError, StorageInternalError: it did not answer within PATIENCE_SECONDS, or refused the step.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for pause in _pauses():
        try:
            return step()
        except (SQLAlchemyError, StorageInternalError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            if _is_full(cause):
                raise StorageFullError(str(cause)) from error
            if not _is_passing(cause) or time.monotonic() + pause > deadline:
                raise
            log.warning("the database did not answer, trying again in %.1f s: %s", pause, _first_line(cause))
            time.sleep(pause)
    raise AssertionError("pauses never end")


def _pauses() -> Iterator[float]:
    pause = 0.2
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, hides nothing
        pause = min(pause * 2, 5.0)


def _is_full(error: BaseException | None) -> bool:
    """SQLite says it in words only; PostgreSQL by SQLSTATE 53100."""
    words = str(error)
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return "database or disk is full" in words or state == "53100"


def _is_passing(error: BaseException | None) -> bool:
    """Whether the same step may work later: the server was away, or another job made the same tables just now.

    An InternalError is what PostgreSQL answers in a transaction whose first error Optuna took lightly.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InternalError | IntegrityError | ProgrammingError)


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [""])[0]
