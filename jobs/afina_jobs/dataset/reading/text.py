"""Text files as UTF-8: decompressed, decoded and guarded, whatever they were written as.

UTF-8 and UTF-16, with or without a byte order mark; what is neither is taken for Windows-1252, which shares all
printable characters with latin-1. Compression by gzip is seen by its first two bytes, whatever the file's name is.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from afina_jobs.dataset.errors import too_large, unreadable
from afina_jobs.dataset.limits import (
    EXPANSION_FREE_BYTES,
    MAX_EXPANSION,
    MAX_ROW_BYTES,
    MAX_SOURCE_BYTES,
    size,
)

_CHUNK = 1 << 20
_SAMPLE = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook: save the sheet as CSV"),
    (b"PAR1", "a Parquet file: say format: Parquet"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image: say format: Images"),
    (b"\xff\xd8\xff", "a JPEG image: say format: Images"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: use gzip, or none"),
    (b"BZh", "compressed by bzip2: use gzip, or none"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
)
_PAGES = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class TextFile:
    """A file of text, and how its bytes become characters."""

    file: Path
    name: str
    compressed: bool
    encoding: str

    def chunks(self) -> Iterator[bytes]:
        """The content as UTF-8, without a byte order mark; no chunk is empty.

        Raises:
            DatasetError: it is cut off, or expands beyond the limits.
        """
        decoder = codecs.getincrementaldecoder(self.encoding)()
        for chunk in _raw_chunks(self.file, self.name, self.compressed):
            if decoded := decoder.decode(chunk):
                yield decoded.encode("utf-8", "replace")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise unreadable(f"{self.name} ends within a character of {self.encoding}: is it complete?") from error


def inspect_text(file: Path, name: str) -> TextFile:
    """Find out how a file of text is written, by reading all of it.

    Raises:
        DatasetError: it is empty, no text, damaged, or expands beyond the limits.
    """
    with file.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    head = next(_raw_chunks(file, name, compressed), b"")
    if not head:
        raise unreadable(f"{name} is empty: it needs rows")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise unreadable(f"{name} is no text but {what}")
    if head[:100].lstrip().lower().startswith(_PAGES):
        raise unreadable(f"{name} is a page of HTML: is it the address of the file itself? Must one log in?")
    told = _told_by(head[:_SAMPLE])
    for encoding in [told] if told else ["utf-8", "cp1252", "latin-1"]:
        found = TextFile(file, name, compressed, encoding)
        if _decodes(found):
            return found
    raise unreadable(f"{name} begins as {told} and goes on as something else: save it as UTF-8")


def _told_by(head: bytes) -> str | None:
    """The encoding, where a mark says it, or where every second byte of the text is zero."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2], head[1::2]
    if odd and odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even and even.count(0) > 0.7 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def _decodes(text: TextFile) -> bool:
    decoder = codecs.getincrementaldecoder(text.encoding)()
    try:
        for chunk in _raw_chunks(text.file, text.name, text.compressed):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _raw_chunks(file: Path, name: str, compressed: bool) -> Iterator[bytes]:
    with file.open("rb") as raw:
        if not compressed:
            while chunk := raw.read(_CHUNK):
                yield chunk
            return
        expanded = 0
        with gzip.GzipFile(fileobj=raw) as stream:
            while chunk := _expand(stream, name):
                expanded += len(chunk)
                _guard(expanded, raw.tell(), name)
                yield chunk


def _expand(stream: gzip.GzipFile, name: str) -> bytes:
    try:
        return stream.read(_CHUNK)
    except EOFError as error:
        raise unreadable(f"{name} is cut off: its gzip stream does not end; fetch or write it again") from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise unreadable(f"{name} is damaged: {error}; fetch or write it again") from error


def _guard(expanded: int, read: int, name: str) -> None:
    if expanded > EXPANSION_FREE_BYTES and expanded > MAX_EXPANSION * read:
        times = f"over {MAX_EXPANSION} times its size ({size(read)} became {size(expanded)})"
        raise too_large(f"{name} expands to {times}: decompress it yourself if it is meant to")
    if expanded > MAX_SOURCE_BYTES:
        raise too_large(f"{name} expands to over {size(MAX_SOURCE_BYTES)}: split it")


class Lines:
    """Reads a text file line by line, or its first lines so and then the rest."""

    def __init__(self, text: TextFile) -> None:
        self._name = text.name
        self._chunks = text.chunks()
        self._buffer = b""
        self._position = 0

    def line(self) -> bytes:
        """The next line with its end; empty at the end of the file.

        Raises:
            DatasetError: the line is longer than a row may be.
        """
        searched = self._position
        while (end := self._buffer.find(b"\n", searched)) < 0:
            self._buffer, self._position = self._buffer[self._position :], 0
            searched = len(self._buffer)
            if searched > MAX_ROW_BYTES:
                raise too_large(f"{self._name} has a line of over {size(MAX_ROW_BYTES)}: is it what spec.format says?")
            chunk = next(self._chunks, b"")
            if not chunk:
                end = len(self._buffer) - 1
                break
            self._buffer += chunk
        begin, self._position = self._position, end + 1
        return self._buffer[begin : self._position]

    def rest(self) -> Iterator[bytes]:
        """What comes after the lines that were read."""
        yield self._buffer[self._position :]
        yield from self._chunks
