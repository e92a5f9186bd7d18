"""What the rows were like that a model learned from: counts in a few bins of every column, which drift is measured by.

A row of another time falls into the same bins. How far its shares are from these is the population stability index, the
sum of (p - q) ln(p / q) over the bins (Siddiqi, Credit Risk Scorecards, 2006): up to 0.1 is called stable, over 0.25 a
great change.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afina_models.arrays import Array
from afina_models.columns import NUMERIC, Columns

REFERENCE = "reference.json"
"""Beside the model's other files, and in their digest."""
MAX_COLUMNS = 200
"""The first of them. What is kept must not grow with a table of 100,000 columns."""
_RANGES = 10
_MAX_VALUES = 20
_MAX_LENGTH = 200
"""Characters. Longer values are not named."""

Counts = NDArray[np.float64]
"""Of rows, by bin."""


@dataclass(frozen=True)
class ColumnReference:
    """One column. Its bins: missing, other values, and then one for each range or each value."""

    edges: list[float] | None
    """Of numbers: the first ends at the first edge, inclusive, the last has no end."""
    values: list[str]
    """Of others: the most frequent ones."""
    counts: list[float]
    """Of the rows that were learned from."""

    def count(self, column: Array) -> Counts:
        """How many of some rows fall into each bin."""
        if self.edges is None:
            seen = Counter(column.tolist())
            named = [seen.get(value, 0) for value in self.values]
            return np.array([seen.get(None, 0), len(column) - seen.get(None, 0) - sum(named), *named], float)
        missing = np.isnan(column)
        # As in training, a value that is an edge is in the range that ends there.
        ranges = np.bincount(np.searchsorted(self.edges, column[~missing]), minlength=len(self.edges) + 1)
        return np.array([missing.sum(), 0, *ranges], float)

    def stability_index(self, counts: Counts) -> float:
        """How far the shares are from those of training: 0 where they are the same.

        What two samples of one population have on average, (bins - 1) (1 / n + 1 / m), is taken off (Yurdakul and
        Naranjo, Statistical properties of the population stability index, 2020), so that few rows are not taken for
        other ones. So it may be a little below 0.

        Args:
            counts: by bin, of more than 0 rows.
        """
        learned = np.array(self.counts)
        used = (learned + counts) > 0
        # Half a row more in every bin: an empty one would make it infinite.
        p, q = (counts[used] + 0.5), (learned[used] + 0.5)
        p, q = p / p.sum(), q / q.sum()
        by_chance = (used.sum() - 1) * (1 / counts.sum() + 1 / learned.sum())
        return float(((p - q) * np.log(p / q)).sum() - by_chance)


def reference(columns: Columns, types: Mapping[str, str]) -> dict[str, ColumnReference]:
    """What these rows are like.

    Args:
        columns: to learn from, of one row at least.
        types: of the columns.
    """
    names = list(types)[:MAX_COLUMNS]
    return {name: _numbers(columns[name]) if types[name] in NUMERIC else _others(columns[name]) for name in names}


def save(found: Mapping[str, ColumnReference], file: Path) -> None:
    """Write it."""
    file.write_text(json.dumps({name: asdict(column) for name, column in found.items()}))


def load(file: Path) -> dict[str, ColumnReference]:
    """Read it. Models that were exported before there was such a file have none."""
    if not file.exists():
        return {}
    return {name: ColumnReference(**state) for name, state in json.loads(file.read_text()).items()}


def _numbers(column: Array) -> ColumnReference:
    present = column[~np.isnan(column)]
    # Values that were seen, so that a frequent one is an edge and has a range of its own.
    shares = np.arange(1, _RANGES) / _RANGES
    edges = np.unique(np.quantile(present, shares, method="lower")).tolist() if len(present) else []
    return _counted(ColumnReference(edges, [], []), column)


def _others(column: Array) -> ColumnReference:
    seen = Counter(value for value in column.tolist() if value is not None and len(value) <= _MAX_LENGTH)
    # What occurs once tells nothing; of free text, that is all.
    frequent = [value for value, count in sorted(seen.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    return _counted(ColumnReference(None, frequent[:_MAX_VALUES], []), column)


def _counted(bins: ColumnReference, column: Array) -> ColumnReference:
    return ColumnReference(bins.edges, bins.values, bins.count(column).tolist())
