"""What every source gives: files on this machine, and one digest of all their bytes."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError, too_large
from afina_jobs.dataset.limits import MAX_FILES, MAX_SOURCE_BYTES, size
from afina_jobs.dataset.progress import Progress

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK = 1 << 20
_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)


class TemporaryError(Exception):
    """The source does not answer as it should; another try may help."""


@dataclass(frozen=True)
class Fetched:
    """The source's files."""

    path: Path
    """The file; of images, the folder."""
    name: str
    """What messages call it."""
    digest: str
    bytes: int


def digest_of(hashes: Iterable[bytes]) -> str:
    """The digest of a source: sha256 over the sha256 of each file's bytes, in ascending order.

    So it is the same whatever the files are called and in which order they come; one file is a list of one.
    """
    return f"sha256:{hashlib.sha256(b''.join(sorted(hashes))).hexdigest()}"


def hash_file(file: Path) -> bytes:
    """The sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def fetched_folder(folder: Path, files: Iterable[Path], name: str) -> Fetched:
    """A folder whose files are all there."""
    hashes, total, progress = [], 0, Progress("hashing")
    for file in files:
        hashes.append(hash_file(file))
        total += file.stat().st_size
        check_size(total, len(hashes), name)
        progress.bytes(total, None)
    return Fetched(folder, name, digest_of(hashes), total)


def check_size(total: int, files: int, name: str) -> None:
    """Raises DatasetError for too many bytes or files."""
    if total > MAX_SOURCE_BYTES:
        raise too_large(f"{name} has over {size(MAX_SOURCE_BYTES)}: split it into several Datasets")
    if files > MAX_FILES:
        raise too_large(f"{name} has over {MAX_FILES:,} files: split it into several Datasets")


def save(chunks: Iterable[bytes], file: Path, name: str, expected: int | None) -> Fetched:
    """Write a stream to a file as it comes.

    Raises:
        DatasetError: it is too large.
        TemporaryError: it is shorter than expected.
    """
    digest, total, progress = hashlib.sha256(), 0, Progress(f"reading {name}:")
    check_size(expected or 0, 1, name)
    with file.open("wb") as stream:
        for chunk in chunks:
            total += len(chunk)
            check_size(total, 1, name)
            digest.update(chunk)
            stream.write(chunk)
            progress.bytes(total, expected)
    if expected is not None and total != expected:
        raise TemporaryError(f"{name} ended after {size(total)} of {size(expected)}")
    return Fetched(file, name, digest_of([digest.digest()]), total)


def with_retries(work: Callable[[], T], pauses: Iterable[float] = _PAUSES_SECONDS) -> T:
    """The work's result; it is tried again after each pause while it fails with TemporaryError.

    Raises:
        DatasetError: SourceUnavailable, after the last try.
    """
    left: Iterator[float] = iter(pauses)
    while True:
        try:
            return work()
        except TemporaryError as error:
            pause = next(left, None)
            if pause is None:
                raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, f"{error}; tried several times") from error
            log.warning("%s; trying again in %.0f s", error, pause)
            time.sleep(pause)
