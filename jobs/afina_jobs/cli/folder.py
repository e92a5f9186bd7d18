"""The folder of a run on a laptop."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a second run out of the folder: it would take what runs for left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        message = f"another `afina run` works in {folder}: wait for it, or choose another folder with --output"
        raise click.UsageError(message) from error
    finally:
        os.close(lock)


def write_files(files: Mapping[str, bytes], folder: Path) -> Path:
    """Make the folder anew with these files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
