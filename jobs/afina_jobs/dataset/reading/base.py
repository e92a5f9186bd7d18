"""What every reader gives: batches of rows, each row with its number, and the rows that cannot be rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from afina_api.dataset import Column, Finding
from afina_api.reasons import RejectReason

Reject = Callable[[int | str, RejectReason, str], None]
"""Called with a row's number or a file's name, why it is left out, and what exactly is wrong."""


@dataclass(frozen=True)
class Batch:
    """Some rows."""

    numbers: NDArray[np.int64]
    """Their numbers in the file, counted from 1; a header and blank lines are no rows."""
    data: pa.RecordBatch
    """Their values: text as it was read, or, where the format has types, typed."""


class RowReader(ABC):
    """Reads one file again and again, in bounded memory.

    Each pass yields the same rows in the same order. Every row of the file is either in a batch or rejected.
    """

    columns: list[str]
    """Names of the columns. While the first pass of JSON Lines goes on, the list grows at its end."""
    missing_words: frozenset[str]
    """Texts that stand for a missing value, without the spaces around them."""
    declared: tuple[Column, ...] = ()
    """Columns whose type the format decides."""
    findings: list[Finding]
    """What people should know about how the file was read."""
    image_columns: dict[str, Any] | None = None
    """Of images: which columns are no labels, `column` with the files' names and `features` of them; and `measured`, a
    LearnedImages, how those were come by."""

    @abstractmethod
    def batches(self, reject: Reject) -> Iterator[Batch]:
        """One pass over the rows.

        Raises:
            DatasetError: the file cannot be read on from here.
        """

    def image_summary(self) -> dict[str, Any] | None:
        """Of images: histograms over all that could be decoded, for the report."""
        return None

    def copy_images(self, data: Path, target: Path) -> None:  # noqa: B027 - a table has none
        """Of images: copy those that the accepted rows in `data` name into a new folder."""
