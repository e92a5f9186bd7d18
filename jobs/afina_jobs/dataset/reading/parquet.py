"""Parquet: typed columns, read by row groups.

Texts are read as dictionaries, as most are written: a text of a megabyte that a million rows have in common is small in
the file, and would be a terabyte. So batches are cut by what they expand to.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds
from numpy.typing import NDArray

from afina_jobs.dataset.errors import too_large, unreadable
from afina_jobs.dataset.limits import BATCH_ROWS, MAX_GROUP_BYTES, MAX_ROW_BYTES, size
from afina_jobs.dataset.reading.base import Batch, Reject, RowReader
from afina_jobs.dataset.reading.delimited import checked_columns


class ParquetReader(RowReader):
    """Reads the rows of a Parquet file."""

    missing_words = frozenset(("",))

    def __init__(self, file: Path, name: str) -> None:
        """Read the file's footer.

        Raises:
            DatasetError: it is none, is cut off, or holds columns that are not values.
        """
        self._file, self._name = file, name
        self.findings = []
        try:
            with pq.ParquetFile(file, page_checksum_verification=True) as opened:
                self.columns = checked_columns(list(opened.schema_arrow.names), name)
                self._target = pa.schema([(field.name, _target(field, name)) for field in opened.schema_arrow])
                self._texts = [field.name for field in self._target if kinds.is_string(field.type)]
                _guard(opened.metadata, name)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise unreadable(
                f"{name} is no Parquet file, or is cut off: {_first_line(error)}; write it again"
            ) from error

    def batches(self, reject: Reject) -> Iterator[Batch]:
        after = 0
        try:
            options = {"page_checksum_verification": True, "read_dictionary": self._texts}
            with pq.ParquetFile(self._file, **options) as opened:
                for read in opened.iter_batches(BATCH_ROWS, use_threads=False):
                    read.validate(full=True)
                    for part in self._parts(read, after):
                        numbers = np.arange(after + 1, after + 1 + len(part), dtype=np.int64)
                        after += len(part)
                        yield Batch(numbers, self._cast(part))
        except (pa.ArrowException, OSError) as error:
            message = f"{self._name} is damaged after row {after}: {_first_line(error)}"
            raise unreadable(f"{message}; write it again") from error

    def _parts(self, read: pa.RecordBatch, after: int) -> Iterator[pa.RecordBatch]:
        """A batch in pieces of which each has at most the bytes of one long row and some more."""
        lengths = _text_lengths(read)
        if len(read) and lengths.max() > MAX_ROW_BYTES:
            row = after + 1 + int(lengths.argmax())
            raise too_large(
                f"row {row} of {self._name} has {size(lengths.max())}, and {size(MAX_ROW_BYTES)} are allowed"
            )
        piece = np.cumsum(lengths) // MAX_ROW_BYTES
        begins = [0, *(np.flatnonzero(np.diff(piece)) + 1), len(read)]
        for begin, end in pairwise(begins):
            yield read.slice(begin, end - begin)

    def _cast(self, read: pa.RecordBatch) -> pa.RecordBatch:
        columns = [_cast(column, field.type) for column, field in zip(read.columns, self._target, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self._target)


def _text_lengths(read: pa.RecordBatch) -> NDArray[np.int64]:
    """Bytes of each row's texts."""
    total = np.zeros(len(read), dtype=np.int64)
    for column in read.columns:
        if kinds.is_dictionary(column.type) and not kinds.is_primitive(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).take(column.indices)
            total += pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False)
    return total


def _target(field: pa.Field, file: str) -> pa.DataType:
    """The type that a column is read as: int64, float64, bool, timestamp[us] or string."""
    kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
    if kinds.is_boolean(kind):
        return pa.bool_()
    if kinds.is_integer(kind):
        return pa.float64() if kinds.is_uint64(kind) else pa.int64()
    if kinds.is_floating(kind) or kinds.is_decimal(kind):
        return pa.float64()
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return pa.timestamp("us")
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind) or kinds.is_null(kind):
        return pa.string()
    raise unreadable(f"column {field.name!r} of {file} is {kind}, which is no value: leave it out, or write it as text")


def _cast(column: pa.Array, target: pa.DataType) -> pa.Array:
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit))
    # Nanoseconds lose digits, decimals too; seconds must not wrap around.
    found = pc.cast(column, target, safe=kinds.is_timestamp(column.type) and column.type.unit != "ns")
    return pc.if_else(pc.is_nan(found), None, found) if kinds.is_floating(target) else found


def _guard(metadata: pq.FileMetaData, name: str) -> None:
    for index in range(metadata.num_row_groups):
        count = metadata.row_group(index).total_byte_size
        if count > MAX_GROUP_BYTES:
            message = f"row group {index} of {name} is {size(count)}, and {size(MAX_GROUP_BYTES)} are allowed"
            raise too_large(f"{message}: write it with smaller ones (row_group_size)")


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:300]
