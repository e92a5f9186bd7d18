"""The rules of `spec.validation`: about single rows, and about all that was accepted. Pure.

A rule that says several things is several rules. A missing value breaks none but `maxMissingShare`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from afina_api.dataset import Column, Finding, Validation
from afina_api.reasons import RejectReason
from afina_jobs.dataset.conversion import Converted, Mask, not_readable_as
from afina_jobs.dataset.inference import ColumnPlan
from afina_jobs.dataset.statistics import ColumnStatistics
from afina_jobs.dataset.values import parses, truth


@dataclass(frozen=True)
class RowRule:
    """A rule that each row keeps or breaks by itself, or, when unique, by the rows above it."""

    label: str
    column: str
    severity: Literal["Error", "Warning"]
    max_share: float
    reason: RejectReason
    broken_by: Callable[[Converted], Mask] | None
    """None: the value must be unique."""


def declared_columns(columns: Sequence[Column], validation: Iterable[Validation]) -> dict[str, Column]:
    """What is said about columns' types: by `columns`, or else by a rule of severity Error."""
    by_rules = {
        rule.column: Column(name=rule.column, type=rule.type)
        for rule in validation
        if rule.column and rule.type and rule.severity == "Error"
    }
    return by_rules | {column.name: column for column in columns}


def row_rules(validation: Iterable[Validation], plans: Mapping[str, ColumnPlan]) -> list[RowRule]:
    """The rules about single rows whose column is there and is of the right type."""
    found: list[RowRule] = []
    for rule in validation:
        plan = plans.get(rule.column or "")
        if plan is None:
            continue
        for said, reason, broken_by in _about_values(rule, plan):
            label = f"{rule.column}: {said}"
            found.append(RowRule(label, plan.name, rule.severity, rule.max_violation_share, reason, broken_by))
    return found


def _about_values(
    rule: Validation, plan: ColumnPlan
) -> Iterator[tuple[str, RejectReason, Callable[[Converted], Mask] | None]]:
    type_, low, high = rule.type, rule.min, rule.max
    if type_ is not None:
        yield f"type {type_}", RejectReason.WRONG_TYPE, lambda column: not_readable_as(column.texts, type_)
    if plan.type == "Numeric" and low is not None:
        yield f"min {low:g}", RejectReason.BELOW_MINIMUM, lambda column: _true(pc.less(column.values, low))
    if plan.type == "Numeric" and high is not None:
        yield f"max {high:g}", RejectReason.ABOVE_MAXIMUM, lambda column: _true(pc.greater(column.values, high))
    if rule.allowed is not None:
        allowed = _allowed(rule.allowed, plan)
        yield "allowed", RejectReason.NOT_ALLOWED, lambda column: _outside(column.values, allowed)
    if rule.unique:
        yield "unique", RejectReason.NOT_UNIQUE, None


def _allowed(words: Sequence[str], plan: ColumnPlan) -> pa.Array:
    """The allowed values, of the column's type; words that are no such value allow nothing."""
    if plan.type == "Numeric":
        return pa.array([float(word) for word in words if parses(word, float)], pa.float64())
    if plan.type == "Boolean":
        return pa.array([truth(word) for word in words if parses(word, truth)], pa.bool_())
    return pa.array(words, pa.string())


def _outside(values: pa.Array, allowed: pa.Array) -> Mask:
    comparable = pc.cast(values, allowed.type, safe=False)
    return _true(pc.and_(pc.is_valid(values), pc.invert(pc.is_in(comparable, allowed))))


def _true(array: pa.Array) -> Mask:
    found: Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


def share_finding(rule: RowRule, broken: int, rows: int) -> Finding | None:
    """That more rows break a rule than may."""
    if not rows or broken <= rule.max_share * rows:
        return None
    message = f"{broken:,} of {rows:,} rows ({broken / rows:.2%}) break it, and {rule.max_share:.2%} may"
    return Finding(rule=rule.label[:256], severity=rule.severity, message=message)


def misplaced(validation: Iterable[Validation], plans: Mapping[str, ColumnPlan]) -> list[Finding]:
    """Rules about columns that are not there, or whose type makes no sense of them."""
    found = []
    for rule in validation:
        plan = plans.get(rule.column or "")
        if rule.column and plan is None:
            there = ", ".join(list(plans)[:20])
            found.append(_finding(rule, "must be there", f"there is no such column, only: {there}"))
        if plan and plan.type != "Numeric" and (rule.min is not None or rule.max is not None):
            remedy = "declare it Numeric to have the rows rejected whose values are no numbers"
            found.append(_finding(rule, "min, max", f"the column is {plan.type}; {remedy}"))
        if plan and plan.type != "Datetime" and rule.max_age_seconds is not None:
            remedy = "declare it Datetime, with a datetimeFormat if it is not ISO 8601"
            found.append(_finding(rule, "maxAgeSeconds", f"the column is {plan.type}; {remedy}"))
    return found


def summary_findings(
    validation: Iterable[Validation], columns: Mapping[str, ColumnStatistics], rows: int, now: datetime
) -> list[Finding]:
    """Rules about all that was accepted that do not hold.

    Args:
        validation: the rules.
        columns: of the accepted rows.
        rows: how many were accepted.
        now: in UTC, without a time zone, as the columns' dates are.
    """
    found = []
    for rule in validation:
        if rule.min_rows is not None and rows < rule.min_rows:
            found.append(_finding(rule, f"minRows {rule.min_rows}", f"{rows:,} rows are accepted", column=False))
        column = columns.get(rule.column or "")
        if column and rows:
            found += _column_findings(rule, column, rows, now)
    return found


def _column_findings(rule: Validation, column: ColumnStatistics, rows: int, now: datetime) -> Iterator[Finding]:
    missing = column.missing / rows
    if rule.max_missing_share is not None and missing > rule.max_missing_share:
        message = f"{column.missing:,} of {rows:,} values ({missing:.2%}) are missing"
        yield _finding(rule, f"maxMissingShare {rule.max_missing_share:g}", message)
    rarest, count = column.rarest
    if rule.min_class_share is not None and count < rule.min_class_share * rows:
        message = f"the rarest value, {rarest!r}, is in {count:,} of {rows:,} rows ({count / rows:.2%})"
        yield _finding(rule, f"minClassShare {rule.min_class_share:g}", message)
    if (
        rule.max_age_seconds is not None
        and column.newest
        and (now - column.newest).total_seconds() > rule.max_age_seconds
    ):
        yield _finding(rule, f"maxAgeSeconds {rule.max_age_seconds}", f"the newest date is {column.newest.isoformat()}")


def _finding(rule: Validation, said: str, message: str, *, column: bool = True) -> Finding:
    label = f"{rule.column}: {said}" if column else said
    return Finding(rule=label[:256], severity=rule.severity, message=message[:512])
