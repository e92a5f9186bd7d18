"""CSV and TSV, by pyarrow: quotation marks as in RFC 4180, any line ending, blank lines are no rows.

All values come as text. What a column is, is decided when all of it has been seen.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from afina_api.dataset import Finding
from afina_api.reasons import RejectReason
from afina_jobs.dataset.errors import too_large, unreadable
from afina_jobs.dataset.limits import MAX_COLUMNS, MAX_ROW_BYTES, size
from afina_jobs.dataset.reading.base import Batch, Reject, RowReader
from afina_jobs.dataset.reading.text import Lines, inspect_text

MISSING_WORDS = frozenset(
    ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>", "NaT", "nil")
)
_BLOCK_BYTES = 8 * 2**20
_LAST = "\x1eend of the file\x1e"
"""A row of these is put after each block: if it is not read back as one, the block ends within quotation marks."""


@dataclass(frozen=True)
class _Block:
    """Some rows of a file."""

    rows: pa.RecordBatch
    invalid: list[arrow_csv.InvalidRow]
    """Numbered from 1 among all rows of the block."""


class DelimitedReader(RowReader):
    """Reads rows whose values are separated by a character."""

    missing_words = MISSING_WORDS

    def __init__(self, file: Path, name: str, delimiter: str) -> None:
        """Read the header.

        Raises:
            DatasetError: there is none, or it cannot be one.
        """
        self._name = name
        self._delimiter = delimiter
        self._text = inspect_text(file, name)
        self.columns, self._header_lines = self._read_header()
        self.findings = [*self._encoding_finding(), *self._delimiter_finding()]

    def batches(self, reject: Reject) -> Iterator[Batch]:
        lines = Lines(self._text)
        for _ in range(self._header_lines):
            lines.line()
        after = 0
        for block in self._blocks(lines.rest()):
            for row in block.invalid:
                what = f"{row.actual_columns} values where the header has {row.expected_columns}"
                reject(after + row.number, RejectReason.RAGGED_ROW, f"{what}: {row.text[:200]}")
            numbers = np.arange(1, 1 + len(block.rows) + len(block.invalid), dtype=np.int64)
            valid = ~np.isin(numbers, [row.number for row in block.invalid])
            if len(block.rows):
                yield Batch(after + numbers[valid], block.rows)
            after += len(numbers)

    def _blocks(self, chunks: Iterator[bytes]) -> Iterator["_Block"]:
        """Parse blocks that end where a row ends."""
        buffer, wanted, ended = b"", _BLOCK_BYTES, False
        while not ended or buffer:
            while len(buffer) < wanted and not ended:
                chunk = next(chunks, None)
                ended = chunk is None
                buffer += chunk or b""
            for end in _ends(buffer, ended=ended):
                if block := self._parse(buffer[:end]):
                    yield block
                    buffer, wanted = buffer[end:], _BLOCK_BYTES
                    break
            else:
                self._refuse_long(buffer, ended=ended)
                wanted = 2 * len(buffer)

    def _refuse_long(self, buffer: bytes, *, ended: bool) -> None:
        """Raises DatasetError if the row that the buffer begins in cannot end well."""
        if ended:
            message = f"a quotation mark in {self._name} is never closed, so its last rows run into one"
            raise unreadable(f"{message}: double it where it is part of a value")
        if len(buffer) > MAX_ROW_BYTES:
            message = f"a row of {self._name} is longer than {size(MAX_ROW_BYTES)}"
            raise too_large(f"{message}, or a quotation mark in it is never closed")

    def _parse(self, block: bytes) -> "_Block | None":
        """The rows of a block, or None if it ends within a quoted value."""
        names = [str(index) for index in range(len(self.columns))]
        last = self._delimiter.join([_LAST] * len(names))
        content = block + f"\n{last}\n".encode()
        invalid: list[arrow_csv.InvalidRow] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            invalid.append(row)
            return "skip"

        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(content),
                read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(content) + 1, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
        except pa.ArrowInvalid as error:
            raise unreadable(f"{self._name} cannot be parsed: {error}") from error
        rows = table.combine_chunks().to_batches()[0] if len(table) else None
        if rows is None or any(column[-1].as_py() != _LAST for column in rows.columns):
            return None
        return _Block(rows.slice(0, len(rows) - 1).rename_columns(self.columns), invalid)

    def _read_header(self) -> tuple[list[str], int]:
        lines = Lines(self._text)
        read: list[str] = []

        def texts() -> Iterator[str]:
            while line := lines.line():
                read.append("")
                yield line.decode()

        csv.field_size_limit(MAX_ROW_BYTES)
        try:
            header = next((row for row in csv.reader(texts(), delimiter=self._delimiter, strict=True) if row), None)
        except csv.Error as error:
            raise unreadable(f"the header of {self._name} cannot be parsed: {error}") from error
        if header is None:
            raise unreadable(f"{self._name} holds blank lines only: it needs a header and rows")
        return checked_columns([name.strip() for name in header], self._name), len(read)

    def _encoding_finding(self) -> list[Finding]:
        encoding = {"cp1252": "Windows-1252", "latin-1": "latin-1"}.get(self._text.encoding)
        if not encoding:
            return []
        message = f"{self._name} is not UTF-8 and was read as {encoding}: if letters are wrong, save it as UTF-8"
        return [Finding(rule="encoding", severity="Warning", message=message)]

    def _delimiter_finding(self) -> list[Finding]:
        other = next((mark for mark in ";\t|," if mark in self.columns[0]), None) if len(self.columns) == 1 else None
        if other is None:
            return []
        message = f"the only column of {self._name} has {other!r} in its name: are its columns separated by that?"
        return [Finding(rule="delimiter", severity="Warning", message=message)]


def checked_columns(names: list[str], file: str) -> list[str]:
    """The names of a file's columns.

    Raises:
        DatasetError: there are too many, or one is there twice, empty, too long, or no text.
    """
    if len(names) > MAX_COLUMNS:
        raise too_large(f"{file} has {len(names):,} columns, and {MAX_COLUMNS:,} are allowed: leave some out")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name in seen:
            raise unreadable(f"the columns {seen[name]} and {number} of {file} are both called {name!r}: rename one")
        if not name:
            raise unreadable(f"column {number} of {file} has no name: name it")
        if "\0" in name or len(name) > 253:
            raise unreadable(
                f"the name of column {number} of {file} is over 253 characters, or holds NUL: {name[:40]!r}"
            )
        seen[name] = number
    return names


def _ends(buffer: bytes, *, ended: bool) -> Iterator[int]:
    """Where a block may end: after its last line, and after the last one with an odd number of quotation marks more.

    One of them is not within a quoted value, but for odd quotation marks in values that are not quoted.
    """
    if ended:
        yield len(buffer)
        return
    line = buffer.rfind(b"\n")
    if line < 0:
        return
    yield line + 1
    marks = 0
    while line > 0 and marks % 2 == 0 and (mark := buffer.rfind(b'"', 0, line)) >= 0:
        before = buffer.rfind(b"\n", 0, mark)
        marks += buffer.count(b'"', before + 1, line)
        line = before
    if line >= 0 and marks % 2:
        yield line + 1
