"""Turns a column as it was read into what it was planned to be. Pure."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from afina_api.dataset import ColumnType
from afina_jobs.dataset.inference import ColumnPlan
from afina_jobs.dataset.values import INFINITE, matches, to_booleans, to_dates, to_numbers, trimmed

Mask = NDArray[np.bool_]
_FIRST = pa.scalar(-62_135_596_800_000_000, pa.timestamp("us"))
_LAST = pa.scalar(253_402_300_799_999_999, pa.timestamp("us"))
"""The years 1 and 9999: Arrow's timestamps go further than calendars do."""


@dataclass(frozen=True)
class Converted:
    """A column of some rows."""

    plan: ColumnPlan
    values: pa.Array
    """Of the planned type; null where missing or unreadable."""
    texts: pa.Array
    """As it was written, without spaces around it; null where missing."""
    wrong: Mask
    """Which values cannot be read as the planned type."""
    infinite: Mask
    """Which are infinite numbers."""


def convert(column: pa.Array, plan: ColumnPlan, missing_words: frozenset[str]) -> Converted:
    """Convert a column of some rows."""
    texts = as_text(column, missing_words)
    typed = column.type == plan.arrow_type and not kinds.is_string(column.type)
    values = column if typed else _parse(column, texts, plan)
    wrong = _mask(pc.and_(pc.is_valid(texts), pc.is_null(values)))
    infinite = wrong & _mask(matches(texts, INFINITE)) if plan.type == "Numeric" else np.zeros(len(column), np.bool_)
    if kinds.is_floating(values.type):
        infinite |= _mask(pc.fill_null(pc.is_inf(values), False))
        values = pc.if_else(infinite, None, values)
    if kinds.is_timestamp(values.type):
        beyond = _mask(pc.fill_null(pc.or_(pc.less(values, _FIRST), pc.greater(values, _LAST)), False))
        wrong |= beyond
        values = pc.if_else(beyond, None, values)
    return Converted(plan, values, texts, wrong & ~infinite, infinite)


def as_text(column: pa.Array, missing_words: frozenset[str]) -> pa.Array:
    """A column as texts without spaces around them; null where missing."""
    return trimmed(column, missing_words) if kinds.is_string(column.type) else pc.cast(column, pa.string())


def not_readable_as(texts: pa.Array, type_: ColumnType) -> Mask:
    """Which texts cannot be read as a type."""
    if type_ in ("Categorical", "Text"):
        return np.zeros(len(texts), np.bool_)
    target = {"Numeric": pa.float64(), "Boolean": pa.bool_(), "Datetime": pa.timestamp("us")}[type_]
    return _mask(pc.and_(pc.is_valid(texts), pc.is_null(_parse(texts, texts, ColumnPlan("", type_, target)))))


def _parse(column: pa.Array, texts: pa.Array, plan: ColumnPlan) -> pa.Array:
    if plan.type == "Numeric":
        return to_numbers(texts, plan.arrow_type)
    if plan.type == "Boolean":
        return to_booleans(texts)
    if plan.type == "Datetime":
        return to_dates(texts, plan.datetime_format)
    # Spaces around a category would make it another one; of a text they may be part.
    keeps_spaces = plan.type == "Text" and kinds.is_string(column.type)
    return pc.if_else(pc.is_valid(texts), column, None) if keeps_spaces else texts


def _mask(array: pa.Array) -> Mask:
    found: Mask = array.to_numpy(zero_copy_only=False).astype(np.bool_)
    return found
