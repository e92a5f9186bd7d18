"""The digest of an exported model: of every file's name and content."""

import hashlib
from pathlib import Path

FILES = "afina"
"""Folder of the exported files within the artifacts of a registered version; the digest is of it alone."""


class DigestError(Exception):
    """The files are not those that the digest was made of."""


def digest(folder: Path) -> str:
    """Hash of all files in a folder, whatever their order."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return "sha256:" + total.hexdigest()


def check(folder: Path, expected: str) -> None:
    """Make sure that nothing has changed.

    Raises:
        DigestError: something has.
    """
    found = digest(folder)
    if found != expected:
        raise DigestError(f"the model in {folder} was changed: it should be {expected} and is {found}; export it again")


def size_bytes(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
