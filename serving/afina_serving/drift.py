"""How far what is asked about is from what was learned from, in little memory."""

import threading
from collections.abc import Mapping

import numpy as np

from afina_models.columns import Columns
from afina_models.reference import ColumnReference

HALF_LIFE_ROWS = 10_000
"""After so many more rows, a row counts half."""
MIN_ROWS = 100
"""With fewer, nothing is said."""
_FOLDED_ROWS = 256
"""Rows are counted together: for many, numpy takes little longer than for one."""


class InputDrift:
    """Counts rows in the bins of those that were learned from. Every method may be called by any thread."""

    def __init__(self, reference: Mapping[str, ColumnReference]) -> None:
        self._reference = reference
        self._counts = {name: np.zeros(len(known.counts)) for name, known in reference.items()}
        self._pending: list[Columns] = []
        self._pending_rows = self._rows = 0
        self._lock = threading.Lock()

    def add(self, columns: Columns) -> None:
        """These rows were asked about."""
        if not self._reference:
            return
        with self._lock:
            self._pending.append(columns)
            self._pending_rows += len(next(iter(columns.values())))
            if self._pending_rows >= _FOLDED_ROWS:
                self._fold()

    def indices(self) -> dict[str, float]:
        """Population stability index of each column; nothing of too few rows."""
        with self._lock:
            self._fold()
            if self._rows < MIN_ROWS:
                return {}
            return {name: known.stability_index(self._counts[name]) for name, known in self._reference.items()}

    def _fold(self) -> None:
        if not self._pending:
            return
        kept = 0.5 ** (self._pending_rows / HALF_LIFE_ROWS)
        for name, known in self._reference.items():
            together = np.concatenate([columns[name] for columns in self._pending])
            self._counts[name] = self._counts[name] * kept + known.count(together)
        self._rows += self._pending_rows
        self._pending, self._pending_rows = [], 0
