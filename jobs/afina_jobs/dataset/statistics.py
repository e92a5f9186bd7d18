"""What the accepted rows look like, column by column: kept with them as the reference that drift is measured against.

Read from the written file, a few columns at a time and in pieces, so that memory does not follow from the rows. Counts,
extremes, means and histograms are of all rows; quantiles are of all rows up to two million, and of every k-th beyond.
Different values are counted up to 100,000.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from afina_jobs.dataset.inference import ColumnPlan
from afina_jobs.dataset.values import BRIEF, brief

BINS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_TOP = 20
_MAX_DISTINCT = 100_000
_MEASURED = ("Numeric", "Datetime")
_COLUMNS_AT_ONCE = 32
_MAX_SAMPLE = 2_000_000
_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class ColumnStatistics:
    """One column of the accepted rows."""

    name: str
    type: str
    missing: int
    distinct: int
    distinct_is_exact: bool
    """False: there are more."""
    rarest: tuple[str, int]
    """Of the values that were counted."""
    newest: datetime | None
    details: dict[str, Any]
    """For dataset.json: of numbers and dates min, max and a histogram, of others the most frequent values."""

    def as_json(self) -> dict[str, Any]:
        """As dataset.json has it."""
        exact = {} if self.distinct_is_exact else {"distinctIsExact": False}
        counts = {"missing": self.missing, "distinct": self.distinct} | exact
        return {"name": self.name, "type": self.type} | counts | self.details


def column_statistics(file: Path, plans: Sequence[ColumnPlan]) -> list[ColumnStatistics]:
    """The statistics of each column of a Parquet file."""
    found: list[ColumnStatistics] = []
    with pq.ParquetFile(file) as opened:
        for first in range(0, len(plans), _COLUMNS_AT_ONCE):
            tallies = [_Tally(plan, opened.metadata.num_rows) for plan in plans[first : first + _COLUMNS_AT_ONCE]]
            names = [tally.plan.name for tally in tallies]
            for look in (_Tally.add, _Tally.add_to_histogram):
                for batch in _batches(opened, names):
                    for tally, column in zip(tallies, batch.columns, strict=True):
                        look(tally, column.drop_null())
            found += [tally.result() for tally in tallies]
    return found


def _batches(opened: pq.ParquetFile, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches within the file's row groups, which are small: rows may hold long texts."""
    for group in range(opened.metadata.num_row_groups):
        yield from opened.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(names), use_threads=False)


class _Tally:
    """Sees all values of a column twice: first `add` is given them, then `add_to_histogram`."""

    def __init__(self, plan: ColumnPlan, rows: int) -> None:
        self.plan = plan
        self._rows = rows
        self._counts: Counter[Any] = Counter()
        self._exact = True
        self._moments = _Moments(step=max(1, math.ceil(rows / _MAX_SAMPLE)))
        self._bins: NDArray[np.int64] | None = None
        self._present = 0

    def add(self, values: pa.Array) -> None:
        self._present += len(values)
        counted = pc.value_counts(values)
        for seen, count in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
            value = brief(seen) if isinstance(seen, str) else seen
            if value in self._counts or len(self._counts) < _MAX_DISTINCT:
                self._counts[value] += count
            else:
                self._exact = False
        if self.plan.type in _MEASURED and len(values):
            self._moments.add(_floats(values))

    def add_to_histogram(self, values: pa.Array) -> None:
        if self.plan.type not in _MEASURED or not len(values):
            return
        edges = self._moments.edges()
        counts = np.histogram(_floats(values), edges)[0] if len(edges) > 2 else np.array([len(values)])
        self._bins = counts if self._bins is None else self._bins + counts

    def result(self) -> ColumnStatistics:
        rarest = min(self._counts.items(), key=lambda item: item[1], default=("", 0))
        return ColumnStatistics(
            name=self.plan.name,
            type=self.plan.type,
            missing=self._rows - self._present,
            distinct=len(self._counts),
            distinct_is_exact=self._exact,
            rarest=(_shown(rarest[0]), rarest[1]),
            newest=_moment(self._moments.high) if self.plan.type == "Datetime" and self._present else None,
            details=self._details(),
        )

    def _details(self) -> dict[str, Any]:
        if self.plan.type not in _MEASURED:
            top = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))[:_TOP]
            return {"top": [{"value": _shown(value), "count": count} for value, count in top]}
        if self._bins is None:
            return {}
        found = self._moments.as_json()
        found = _as_dates(found) if self.plan.type == "Datetime" else found
        return found | {"histogram": {"edges": self._moments.edges().tolist(), "counts": self._bins.tolist()}}


class _Moments:
    """Extremes, mean, deviation and quantiles of numbers, or of dates as seconds since 1970."""

    def __init__(self, step: int) -> None:
        self.low, self.high = math.inf, -math.inf
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._step = step
        self._sample: list[NDArray[np.float64]] = []

    @np.errstate(over="ignore", invalid="ignore")
    def add(self, values: NDArray[np.float64]) -> None:
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        # Chan's way of joining two means and sums of squared differences: nothing cancels out.
        mean, total = float(values.mean()), self._count + len(values)
        delta = mean - self._mean
        self._squares += float(((values - mean) ** 2).sum()) + delta * delta * self._count * len(values) / total
        self._mean += delta * len(values) / total
        self._sample.append(values[-self._count % self._step :: self._step])
        self._count = total

    def edges(self) -> NDArray[np.float64]:
        """Of the histogram's bins; of one bin only where the range cannot be divided."""
        divisible = 0 < self.high - self.low < math.inf
        return np.linspace(self.low, self.high, BINS + 1) if divisible else np.array([self.low, self.high])

    @np.errstate(over="ignore", invalid="ignore")
    def as_json(self) -> dict[str, Any]:
        """Where numbers are so large that a mean or a deviation is not finite, it is None."""
        std = math.sqrt(self._squares / (self._count - 1)) if self._count > 1 else 0.0
        levels = np.quantile(np.concatenate(self._sample), QUANTILES)
        quantiles = [{"share": share, "value": _finite(level)} for share, level in zip(QUANTILES, levels, strict=True)]
        found = {"min": self.low, "max": self.high, "mean": _finite(self._mean), "std": _finite(std)}
        return found | {"quantiles": quantiles}


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _floats(values: pa.Array) -> NDArray[np.float64]:
    is_date = pa.types.is_timestamp(values.type)
    found: NDArray[np.float64] = (values.cast(pa.int64()) if is_date else values).to_numpy().astype(np.float64)
    return found / 1e6 if is_date else found


def _as_dates(details: dict[str, Any]) -> dict[str, Any]:
    """Statistics of seconds since 1970 with dates where people read them; the histogram keeps its seconds."""
    quantiles = [level | {"value": _moment(level["value"]).isoformat()} for level in details["quantiles"]]
    dates = {name: _moment(details[name]).isoformat() for name in ("min", "max", "mean")}
    return dates | {"std": details["std"], "quantiles": quantiles}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _shown(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)[:BRIEF]
