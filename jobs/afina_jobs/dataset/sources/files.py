"""Sources that are mounted: a ConfigMap's key, a file or folder on a volume."""

import os
from collections.abc import Iterator
from pathlib import Path

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError
from afina_jobs.dataset.sources.base import Fetched, fetched_folder


def mounted(root: Path, relative: str, name: str, *, folder: bool) -> Fetched:
    """A file or folder below the mount point; it is read where it is.

    Raises:
        DatasetError: it is not there, is outside, or is no regular file.
    """
    path = inside(root, relative)
    if path is None:
        raise DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, f"{name} is outside of what is mounted: it may not be")
    wanted = "folder" if folder else "file"
    if not (path.is_dir() if folder else path.is_file()):
        found = ", ".join(sorted(entry.name for entry in root.iterdir())[:20]) if root.is_dir() else ""
        message = f"there is no {wanted} {relative!r} in it; there is: {found or 'nothing'}"
        raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, f"{name}: {message}")
    try:
        return fetched_folder(path, files_below(path) if folder else [path], name)
    except PermissionError as error:
        message = f"{name} may not be read by user {os.getuid()}: change its mode or owner"
        raise DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, message) from error


def inside(root: Path, relative: str) -> Path | None:
    """The path below a folder with all links followed; None where that leads out of it."""
    base = root.resolve()
    path = (base / relative).resolve()
    return path if path.is_relative_to(base) else None


def files_below(folder: Path) -> Iterator[Path]:
    """The regular files in a folder and in those in it; links are left alone."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if file.is_file() and not file.is_symlink():
                yield file
