"""CSV and TSV, by pyarrow: quotation marks as in RFC 4180, any line ending, blank lines are no rows.

All values come as text. What a column is, is decided when all of it has been seen.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from afina_api.dataset import Finding
from afina_api.reasons import RejectReason
from afina_jobs.dataset.errors import too_large, unreadable
from afina_jobs.dataset.limits import MAX_COLUMNS, MAX_ROW_BYTES, size
from afina_jobs.dataset.reading.base import Batch, Reject, RowReader
from afina_jobs.dataset.reading.text import Lines, inspect_text

MISSING_WORDS = frozenset(
    ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>", "NaT", "nil")
)
_LAST = "\x1eend of the file\x1e"
"""A row of these is put after the last one: if it is not read back as one, a quotation mark was left open."""


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
        invalid: set[int] = set()

        def skip(row: arrow_csv.InvalidRow) -> str:
            invalid.add(row.number)
            what = f"{row.actual_columns} values where the header has {row.expected_columns}"
            reject(row.number, RejectReason.RAGGED_ROW, f"{what}: {row.text[:200]}")
            return "skip"

        after = 0
        pending: Batch | None = None
        for data in self._parsed(lines, skip):
            if pending:
                yield pending
            numbers = _numbers(after, len(data), invalid)
            after = int(numbers[-1]) if len(numbers) else after
            pending = Batch(numbers, data)
        if last := self._without_last(pending):
            yield last

    def _parsed(self, lines: Lines, skip: object) -> Iterator[pa.RecordBatch]:
        sentinel = self._delimiter.join([_LAST] * len(self.columns))
        names = [str(index) for index in range(len(self.columns))]
        try:
            stream = arrow_csv.open_csv(
                lines.rest(f"\n{sentinel}\n".encode()),
                read_options=arrow_csv.ReadOptions(column_names=names, block_size=MAX_ROW_BYTES, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
            for batch in stream:
                if len(batch):
                    yield batch.rename_columns(self.columns)
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                message = f"a row of {self._name} is longer than {size(MAX_ROW_BYTES)}"
                raise too_large(f"{message}, or a quotation mark in it is never closed") from error
            raise unreadable(f"{self._name} cannot be parsed: {error}") from error

    def _without_last(self, batch: Batch | None) -> Batch | None:
        """The last batch without the row that we put there."""
        if batch is None or any(column[-1].as_py() != _LAST for column in batch.data.columns):
            message = f"a quotation mark in {self._name} is never closed, so its last rows run into one"
            raise unreadable(f"{message}: double it where it is part of a value")
        kept = len(batch.data) - 1
        return Batch(batch.numbers[:kept], batch.data.slice(0, kept)) if kept else None

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


def _numbers(after: int, count: int, invalid: set[int]) -> NDArray[np.int64]:
    """The next row numbers, without those of invalid rows, of which only the later ones are kept."""
    invalid.difference_update([number for number in invalid if number <= after])
    all_of_them = np.arange(after + 1, after + 1 + count + len(invalid), dtype=np.int64)
    return all_of_them[~np.isin(all_of_them, np.array(list(invalid), dtype=np.int64))][:count]
