"""JSON Lines: one object a line. Rows may lack keys; the columns are all keys there are.

Numbers keep the digits they are written with; arrays and objects become text as JSON.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from afina_api.reasons import RejectReason
from afina_jobs.dataset.errors import too_large
from afina_jobs.dataset.limits import BATCH_ROWS, MAX_COLUMNS, MAX_ROW_BYTES
from afina_jobs.dataset.reading.base import Batch, Reject, RowReader
from afina_jobs.dataset.reading.delimited import checked_columns
from afina_jobs.dataset.reading.text import Lines, inspect_text

Row = dict[str, str | None]


class JSONLinesReader(RowReader):
    """Reads objects, one a line."""

    missing_words = frozenset(("",))

    def __init__(self, file: Path, name: str) -> None:
        """Find out how the file is written.

        Raises:
            DatasetError: it is no text.
        """
        self._name = name
        self._text = inspect_text(file, name)
        self.columns: list[str] = []
        self._known: set[str] = set()
        self.findings = []

    def batches(self, reject: Reject) -> Iterator[Batch]:
        rows = self._rows(reject)
        while batch := list(_some(rows)):
            numbers = np.array([number for number, _ in batch], dtype=np.int64)
            columns = [pa.array([row.get(name) for _, row in batch], pa.string()) for name in self.columns]
            yield Batch(numbers, pa.RecordBatch.from_arrays(columns, names=list(self.columns)))

    def _rows(self, reject: Reject) -> Iterator[tuple[int, Row]]:
        lines = Lines(self._text)
        number = 0
        while line := lines.line():
            if not line.strip():
                continue
            number += 1
            try:
                row = parse_row(line)
            except (ValueError, RecursionError) as error:
                reject(number, RejectReason.INVALID_JSON, f"{error or type(error).__name__}: {_shown(line)}")
                continue
            if new := [name for name in row if name not in self._known]:
                self._learn(new)
            yield number, row

    def _learn(self, names: list[str]) -> None:
        if len(self.columns) + len(names) > MAX_COLUMNS:
            message = f"{self._name} has over {MAX_COLUMNS:,} different keys: are some of them values?"
            raise too_large(f"{message} Write them as values of one key")
        self.columns = checked_columns([*self.columns, *names], self._name)
        self._known.update(names)


def parse_row(line: bytes) -> Row:
    """The object of a line, with its values as text.

    Raises:
        ValueError: it is no object, or a key is there twice.
    """
    found = _DECODER.decode(line.decode())
    if not isinstance(found, dict):
        raise ValueError("no object")
    if any(isinstance(value, dict | list) for value in found.values()):
        plain = json.loads(line)
        found = {key: plain[key] if isinstance(value, dict | list) else value for key, value in found.items()}
    return {key: _as_text(value) for key, value in found.items()}


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _some(rows: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    """The rows of one batch: a limited number, of a limited length altogether."""
    length = 0
    for number, row in islice(rows, BATCH_ROWS):
        yield number, row
        length += sum(len(value or "") for value in row.values())
        if length > MAX_ROW_BYTES:
            return


def _shown(line: bytes) -> str:
    return line[:200].decode(errors="replace").strip()


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_unique)
