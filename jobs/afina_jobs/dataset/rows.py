"""From a file to accepted rows, in two passes: one to see what the columns are, one to convert, check and write."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds
from numpy.typing import NDArray

from afina_api.dataset import Column, DatasetSpec, Finding
from afina_api.reasons import RejectReason
from afina_jobs.dataset.conversion import Converted, Mask, as_text, convert
from afina_jobs.dataset.errors import unreadable
from afina_jobs.dataset.inference import ColumnPlan, ColumnScan
from afina_jobs.dataset.progress import Progress
from afina_jobs.dataset.reading.base import Batch, Reject, RowReader
from afina_jobs.dataset.rules import RowRule, declared_columns, misplaced, row_rules, share_finding

_GROUP_BYTES = 32 * 2**20
"""Of a row group that is written, before compression."""


@dataclass(frozen=True)
class Accepted:
    """What came of a file."""

    plans: list[ColumnPlan]
    rows: int
    """How many were accepted."""
    findings: list[Finding]


@dataclass(frozen=True)
class _Scan:
    """What the first pass saw."""

    rows: int
    columns: list[ColumnScan]
    repeated: Mapping[str, NDArray[np.uint64]]
    """Of each column that must be unique, the hashes that are there more than once, sorted."""


def accept_rows(reader: RowReader, spec: DatasetSpec, file: Path, reject: Reject) -> Accepted:
    """Write the rows that are accepted, and reject the others.

    Raises:
        DatasetError: the source cannot be read to its end, or has no rows.
    """
    unique = sorted({rule.column for rule in spec.validation if rule.unique and rule.column})
    scan = _look(reader, unique)
    declared = declared_columns([*spec.columns, *reader.declared], spec.validation)
    plans = [column.plan(declared.get(column.name)) for column in scan.columns]
    by_name = {plan.name: plan for plan in plans}
    findings = [*reader.findings, *_absent(spec.columns, by_name)]
    for column, plan in zip(scan.columns, plans, strict=True):
        findings += column.findings(plan, declared.get(column.name))
    checks = Checks(row_rules(spec.validation, by_name), scan.repeated)
    written = _write(reader, plans, checks, file, reject)
    findings += misplaced(spec.validation, by_name)
    findings += [found for rule, count in checks.broken() if (found := share_finding(rule, count, scan.rows))]
    return Accepted(plans, written, findings)


def _look(reader: RowReader, unique: Sequence[str]) -> _Scan:
    """See all rows once; those that are no rows are rejected in the second pass."""
    scans: dict[str, ColumnScan] = {}
    hashes: dict[str, list[NDArray[np.uint64]]] = {name: [] for name in unique}
    rows, progress = 0, Progress("looking at")
    rejected: Counter[RejectReason] = Counter()
    for batch in reader.batches(lambda _row, reason, _detail: rejected.update([reason])):
        rows += len(batch.data)
        for name, column in zip(batch.data.schema.names, batch.data.columns, strict=True):
            texts = as_text(column, reader.missing_words)
            scans.setdefault(name, ColumnScan(name, column.type)).add(texts)
            if name in hashes:
                hashes[name].append(_hashes(texts.drop_null()))
        progress.rows(rows)
    if not rows and not rejected:
        raise unreadable("the source has no rows" + (", only a header" if reader.columns else ""))
    columns = [scans.get(name) or ColumnScan(name, pa.string()) for name in reader.columns]
    return _Scan(rows, columns, {name: _repeated(found) for name, found in hashes.items()})


def _hashes(texts: pa.Array) -> NDArray[np.uint64]:
    from pandas.util import hash_array  # takes a second to import, and few Datasets have unique columns

    found: NDArray[np.uint64] = hash_array(np.asarray(texts.to_pylist(), dtype=object), categorize=False)
    return found


def _repeated(pieces: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    ordered = np.sort(np.concatenate([*pieces, np.array([], dtype=np.uint64)]))
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _write(reader: RowReader, plans: Sequence[ColumnPlan], checks: "Checks", file: Path, reject: Reject) -> int:
    schema = pa.schema([(plan.name, plan.arrow_type) for plan in plans])
    written, progress = 0, Progress("checking")
    with file.open("wb") as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in reader.batches(reject):
            columns = _converted(batch, plans, reader.missing_words)
            kept = checks.keep(batch, columns, reject)
            values = pa.RecordBatch.from_arrays([column.values for column in columns], schema=schema)
            waiting.append(values.filter(pa.array(kept)))
            if sum(part.nbytes for part in waiting) > _GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
            written += int(kept.sum())
            progress.rows(int(batch.numbers[-1]))
        writer.write_table(pa.Table.from_batches(waiting, schema))
    return written


def _converted(batch: Batch, plans: Sequence[ColumnPlan], missing_words: frozenset[str]) -> list[Converted]:
    there = dict(zip(batch.data.schema.names, batch.data.columns, strict=True))
    absent = pa.nulls(len(batch.data), pa.string())
    return [convert(there.get(plan.name, absent), plan, missing_words) for plan in plans]


def _absent(columns: Sequence[Column], plans: Mapping[str, ColumnPlan]) -> list[Finding]:
    message = f"spec.columns names a column that is not there, only: {', '.join(list(plans)[:20])}"[:512]
    return [
        Finding(rule=f"{column.name}: must be there", severity="Error", message=message)
        for column in columns
        if column.name not in plans
    ]


class Checks:
    """Decides which rows of a batch stay. Remembers how often rules were broken, and which unique values it saw."""

    def __init__(self, rules: Sequence[RowRule], repeated: Mapping[str, NDArray[np.uint64]]) -> None:
        self._rules = rules
        self._repeated = repeated
        self._counts = dict.fromkeys(rules, 0)
        self._seen: dict[RowRule, set[str]] = {rule: set() for rule in rules}

    def broken(self) -> list[tuple[RowRule, int]]:
        """How many rows broke each rule."""
        return list(self._counts.items())

    def keep(self, batch: Batch, columns: Sequence[Converted], reject: Reject) -> Mask:
        """Which rows stay; each of the others is rejected for the first thing that is wrong with it."""
        kept = np.ones(len(batch.data), np.bool_)

        def leave_out(wrong: Mask, reason: RejectReason, detail: Callable[[int], str]) -> None:
            for index in np.flatnonzero(wrong & kept):
                reject(int(batch.numbers[index]), reason, detail(int(index)))
            kept[wrong] = False

        for column in columns:
            leave_out(_nul_bytes(column), RejectReason.NUL_BYTE, _saying(column, "holds NUL"))
            leave_out(column.infinite, RejectReason.NOT_FINITE, _saying(column, "is not finite"))
            leave_out(column.wrong, RejectReason.WRONG_TYPE, _saying(column, f"is not {column.plan.type}"))
        by_name = {column.plan.name: column for column in columns}
        for rule in sorted(self._rules, key=lambda rule: rule.broken_by is None):
            column = by_name[rule.column]
            wrong = rule.broken_by(column) if rule.broken_by else self._again(rule, column, kept)
            self._counts[rule] += int(wrong.sum())
            if rule.severity == "Error":
                leave_out(wrong, rule.reason, _saying(column, f"breaks {rule.label}"))
        return kept

    def _again(self, rule: RowRule, column: Converted, kept: Mask) -> Mask:
        """Which values are in a row above that stays. Only values whose hash is repeated need to be remembered."""
        found = np.zeros(len(kept), np.bool_)
        candidates = np.flatnonzero(kept & pc.is_valid(column.texts).to_numpy(zero_copy_only=False))
        texts = column.texts.take(pa.array(candidates))
        candidates = candidates[np.isin(_hashes(texts), self._repeated[rule.column])]
        seen = self._seen[rule]
        for index in candidates:
            text = column.texts[int(index)].as_py()
            found[index] = text in seen
            seen.add(text)
        return found


def _nul_bytes(column: Converted) -> Mask:
    if not kinds.is_string(column.values.type):
        return np.zeros(len(column.values), np.bool_)
    found: Mask = pc.fill_null(pc.match_substring(column.values, "\0"), False).to_numpy(zero_copy_only=False)
    return found


def _saying(column: Converted, what: str) -> Callable[[int], str]:
    return lambda index: f"{column.plan.name}: {str(column.texts[index].as_py())[:200]!r} {what}"
