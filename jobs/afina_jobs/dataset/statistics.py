"""What the accepted rows look like, column by column: kept with them as the reference that drift is measured against.

Read from the written file, one column at a time and in pieces, so that memory does not follow from the rows. Counts,
extremes, means and histograms are of all rows; quantiles are of all rows up to two million, and of every k-th beyond.
Different values are counted up to 100,000.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
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

BINS = 20
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_TOP = 20
_MAX_DISTINCT = 100_000
_MAX_SAMPLE = 2_000_000
_BATCH_ROWS = 65_536
_SHOWN = 200
"""Characters of a value that are kept."""

Pieces = Callable[[], Iterator[pa.Array]]


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


def column_statistics(file: Path, plans: list[ColumnPlan]) -> list[ColumnStatistics]:
    """The statistics of each column of a Parquet file."""
    with pq.ParquetFile(file) as opened:
        rows = opened.metadata.num_rows
        return [_one(plan, rows, _pieces(opened, plan.name)) for plan in plans]


def _pieces(opened: pq.ParquetFile, name: str) -> Pieces:
    def read() -> Iterator[pa.Array]:
        for batch in opened.iter_batches(_BATCH_ROWS, columns=[name], use_threads=False):
            yield batch.column(0)

    return read


def _one(plan: ColumnPlan, rows: int, pieces: Pieces) -> ColumnStatistics:
    counts: Counter[Any] = Counter()
    missing, exact = 0, True
    for piece in pieces():
        missing += piece.null_count
        exact = _tally(counts, piece.drop_null()) and exact
    rarest = min(counts.items(), key=lambda item: item[1], default=("", 0))
    newest = None
    if plan.type in ("Numeric", "Datetime"):
        details = _numbers(rows, pieces)
        if plan.type == "Datetime" and details:
            newest = _moment(details["max"])
            details = _as_dates(details)
    else:
        top = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:_TOP]
        details = {"top": [{"value": _shown(value), "count": count} for value, count in top]}
    return ColumnStatistics(
        plan.name, plan.type, missing, len(counts), exact, (_shown(rarest[0]), rarest[1]), newest, details
    )


def _tally(counts: Counter[Any], values: pa.Array) -> bool:
    """Count the values; False when new ones were left out."""
    counted = pc.value_counts(values)
    exact = True
    for value, count in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
        if value in counts or len(counts) < _MAX_DISTINCT:
            counts[value] += count
        else:
            exact = False
    return exact


@np.errstate(over="ignore", invalid="ignore")
def _numbers(rows: int, pieces: Pieces) -> dict[str, Any]:
    """Of numbers, or of dates as seconds since 1970; empty when all are missing.

    Where numbers are so large that a mean or a deviation is not finite, it is None.
    """
    count, mean, squares = 0, 0.0, 0.0
    low, high = math.inf, -math.inf
    step = max(1, math.ceil(rows / _MAX_SAMPLE))
    sample: list[NDArray[np.float64]] = []
    for values in map(_floats, pieces()):
        if not len(values):
            continue
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        # Chan's way of joining two means and sums of squared differences: no cancellation.
        delta, total = float(values.mean()) - mean, count + len(values)
        squares += float(((values - values.mean()) ** 2).sum()) + delta**2 * count * len(values) / total
        mean += delta * len(values) / total
        sample.append(values[-count % step :: step])
        count = total
    if not count:
        return {}
    std = math.sqrt(squares / (count - 1)) if count > 1 else 0.0
    found = {"min": low, "max": high, "mean": _finite(mean), "std": _finite(std)}
    levels = np.quantile(np.concatenate(sample), QUANTILES)
    quantiles = [{"share": share, "value": float(level)} for share, level in zip(QUANTILES, levels, strict=True)]
    return found | {"quantiles": quantiles, "histogram": _histogram(low, high, pieces)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _histogram(low: float, high: float, pieces: Pieces) -> dict[str, Any]:
    divisible = 0 < high - low < math.inf
    edges = np.linspace(low, high, BINS + 1) if divisible else np.array([low, high])
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for values in map(_floats, pieces()):
        counts += np.histogram(values, edges)[0] if divisible else len(values)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _floats(piece: pa.Array) -> NDArray[np.float64]:
    values = piece.drop_null()
    is_date = pa.types.is_timestamp(values.type)
    found: NDArray[np.float64] = (values.cast(pa.int64()) if is_date else values).to_numpy().astype(np.float64)
    return found / 1e6 if is_date else found


def _as_dates(details: dict[str, Any]) -> dict[str, Any]:
    """Statistics of seconds since 1970 with dates where people read them; the histogram keeps its seconds."""
    quantiles = [level | {"value": _moment(level["value"]).isoformat()} for level in details["quantiles"]]
    dates = {name: _moment(details[name]).isoformat() for name in ("min", "max", "mean")}
    return dates | {"std": details["std"], "quantiles": quantiles, "histogram": details["histogram"]}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _shown(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)[:_SHOWN]
