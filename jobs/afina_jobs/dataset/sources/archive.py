"""Unpacks a ZIP archive that nobody vouches for: no name leads elsewhere, and it cannot become arbitrarily large."""

import errno
import io
import stat
import struct
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from afina_jobs.dataset.errors import too_large, unreadable
from afina_jobs.dataset.limits import EXPANSION_FREE_BYTES, MAX_DIRECTORY_BYTES, MAX_EXPANSION, size
from afina_jobs.dataset.progress import Progress
from afina_jobs.dataset.sources.base import CHUNK, Fetched, check_size, fetched_folder
from afina_jobs.dataset.sources.files import files_below

_ENCRYPTED = 0x1
_MAX_DEPTH = 100
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)
"""Of entries: not told, a file, a folder."""
_BAD_PATHS = {
    errno.EEXIST: "it is there twice",
    errno.EISDIR: "it is a folder too",
    errno.ENOTDIR: "a part of it is a file",
    errno.ENAMETOOLONG: "it is too long",
}
_DAMAGED = (BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, OverflowError)
"""What the standard library raises for archives that are none, by the place of the damage."""


def unpack(archive: Fetched, folder: Path) -> Fetched:
    """The files of an archive as a folder; its digest is that of the files, however they are packed.

    Args:
        archive: a file.
        folder: an empty one.

    Raises:
        DatasetError: it is no archive, damaged, encrypted, too large, or a name in it cannot be a file's.
    """
    try:
        with _File(archive) as raw, ZipFile(raw) as opened:
            _unpack(opened, archive, folder)
    except _DAMAGED as error:
        raise unreadable(f"{archive.name} is no ZIP archive, or damaged or cut off: {error}; write it again") from error
    return fetched_folder(folder, files_below(folder), archive.name)


class _File(io.FileIO):
    """The archive. The list of its entries, which the standard library reads at once, must not be too long."""

    def __init__(self, archive: Fetched) -> None:
        super().__init__(archive.path)
        self._archive = archive

    def read(self, count: int | None = -1) -> bytes:
        if count is not None and count > MAX_DIRECTORY_BYTES:
            limit = size(MAX_DIRECTORY_BYTES)
            raise too_large(f"the list of entries of {self._archive.name} has over {limit}: split it into several")
        return super().read(-1 if count is None else count) or b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset < 0:
            raise BadZipFile("a part of it lies before its beginning")
        return super().seek(offset, whence)


def _unpack(opened: ZipFile, archive: Fetched, folder: Path) -> None:
    total, progress = 0, Progress(f"unpacking {archive.name}:")
    for number, entry in enumerate(opened.infolist(), 1):
        check_size(total, number, archive.name)
        target = _place(entry, archive.name, folder)
        if entry.is_dir():
            continue
        with opened.open(entry) as stream, _created(target, entry, archive.name) as file:
            while chunk := stream.read(CHUNK):
                total += len(chunk)
                check_size(total, number, archive.name)
                _refuse_bomb(total, archive)
                file.write(chunk)
        progress.bytes(total, None)


def _place(entry: ZipInfo, name: str, folder: Path) -> Path:
    """Where an entry comes to lie.

    Raises:
        DatasetError: it is encrypted, no plain file, or its name leads elsewhere.
    """
    path = PurePosixPath(entry.filename)
    if entry.flag_bits & _ENCRYPTED:
        raise unreadable(f"{entry.filename!r} in {name} is encrypted: pack it without a password")
    if stat.S_IFMT(entry.external_attr >> 16) not in _KINDS:
        raise unreadable(f"{entry.filename!r} in {name} is a link or a device: pack the files themselves")
    if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or not path.parts:
        raise unreadable(f"{entry.filename!r} in {name} is no path of a file below a folder: rename it")
    if len(path.parts) > _MAX_DEPTH:
        raise unreadable(f"{entry.filename[:200]!r} in {name} lies more than {_MAX_DEPTH} folders deep: move it up")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise unreadable(f"{entry.filename!r} in {name} is not compressed by deflate: pack it so, or uncompressed")
    return folder / path


def _created(target: Path, entry: ZipInfo, name: str) -> BinaryIO:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except OSError as error:
        why = _BAD_PATHS.get(error.errno or 0)
        if why is None:
            raise
        raise unreadable(f"{entry.filename[:200]!r} in {name} cannot be a file's path: {why}; rename it") from error


def _refuse_bomb(total: int, archive: Fetched) -> None:
    if total > EXPANSION_FREE_BYTES and total > MAX_EXPANSION * archive.bytes:
        times = f"over {MAX_EXPANSION} times its size ({size(archive.bytes)} became {size(total)})"
        raise too_large(f"{archive.name} expands to {times}: unpack it yourself if it is meant to")
