"""Readers of rows, one file a format, and which one a format needs."""

from collections.abc import Callable
from pathlib import Path

from afina_jobs.dataset.reading.base import RowReader
from afina_jobs.dataset.reading.delimited import DelimitedReader
from afina_jobs.dataset.reading.jsonlines import JSONLinesReader
from afina_jobs.dataset.reading.parquet import ParquetReader

_READERS: dict[str, Callable[[Path, str], RowReader]] = {
    "CSV": lambda file, name: DelimitedReader(file, name, ","),
    "TSV": lambda file, name: DelimitedReader(file, name, "\t"),
    "JSONLines": JSONLinesReader,
    "Parquet": ParquetReader,
}


def open_reader(file: Path, name: str, format_: str) -> RowReader:
    """The reader of a file.

    Args:
        file: where it lies.
        name: what messages call it.
        format_: CSV, TSV, JSONLines or Parquet.

    Raises:
        DatasetError: the file is not of that format, or over a limit.
    """
    return _READERS[format_](file, name)
