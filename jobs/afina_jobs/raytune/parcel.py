"""A checkpoint on its way between the nodes of a Ray cluster and the driver's volume: a folder in one piece."""

import io
import shutil
import time
import zipfile
from pathlib import Path

MAX_BYTES = 256 * 2**20
"""A checkpoint that is larger stays where it is, and is lost with its node."""
_PAUSE_SECONDS = 5.0
"""Between two looks at a folder, so that a trial that writes all the time does not send all the time."""

Signature = frozenset[tuple[str, int, int]]


class ParcelTooLargeError(Exception):
    """The folder cannot be sent; the message says why."""


def checkpoints_below(folder: Path) -> Path:
    """Where an actor keeps checkpoints: beside the working directories, which are made anew."""
    return folder / "checkpoints"


class Parcel:
    """The folder of one trial's checkpoint, and what of it has been sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sent = _signature(folder)
        self._looked = time.monotonic()

    def changed(self) -> bytes | None:
        """The folder as one piece, if it has changed since the last time."""
        if time.monotonic() - self._looked < _PAUSE_SECONDS:
            return None
        self._looked = time.monotonic()
        try:
            return self.rest()
        except ParcelTooLargeError:
            return None

    def rest(self) -> bytes | None:
        """The same, however long ago the last time was.

        Raises:
            ParcelTooLargeError: the folder is larger than MAX_BYTES.
        """
        found = _signature(self._folder)
        if found == self._sent:
            return None
        size = sum(size for _, size, _ in found)
        if size > MAX_BYTES:
            raise ParcelTooLargeError(f"it has {size / 2**20:.0f} MiB, and {MAX_BYTES / 2**20:.0f} at most can be sent")
        self._sent = found
        return self.pack()

    def forget(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def pack(self) -> bytes:
        """The folder as one piece. Files that vanish meanwhile are left out."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", strict_timestamps=False) as archive:
            for file in _files(self._folder):
                try:
                    archive.write(file, file.relative_to(self._folder))
                except FileNotFoundError:
                    continue
        return content.getvalue()

    def unpack(self, content: bytes) -> None:
        """Put what was packed in the place of what is there, as a whole.

        Raises:
            OSError: there is no room for it; what was there stays.
        """
        arriving = self._folder.with_name(f"{self._folder.name}.arriving")
        shutil.rmtree(arriving, ignore_errors=True)
        arriving.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(arriving)  # it takes no way out of the folder
        shutil.rmtree(self._folder, ignore_errors=True)
        arriving.rename(self._folder)
        self._sent = _signature(self._folder)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _signature(folder: Path) -> Signature:
    found = set()
    for file in _files(folder):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue
        found.add((str(file), stat.st_size, stat.st_mtime_ns))
    return frozenset(found)
