"""What columns are, from all of their values.

A column of text is, in this order:
  Numeric      if all values are numbers, and none is a code: a leading zero, or 19 digits and more. Whole numbers
               are kept as 64-bit integers, others as doubles.
  Boolean      if all values are true, false, yes, no, t, f, y or n.
  Datetime     if all values are ISO 8601 dates.
  Categorical  if there are at most 20 different values, or at most 1,000 that come twice each on average;
               and they have at most 100 characters on average.
  Text         otherwise.
Columns that have a type in the file (Parquet's) keep it. A declared type goes before all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from afina_api.dataset import Column, ColumnType, Finding
from afina_jobs.dataset.values import (
    CODE,
    DATE_LIKE,
    INFINITE,
    INTEGER,
    NUMBER,
    brief,
    matches,
    moment,
    parses,
    truth,
)

_FEW = 20
_MANY = 1_000
_LONG = 100
"""Characters of a value, on average, beyond which it is no category."""
_MOSTLY = 0.9
_NUMBERS = {"number": "", "integer": INTEGER, "code": CODE}
_OTHERS = {"date-like": DATE_LIKE}
"""Patterns that are counted among the texts that are numbers, and among the others; the empty one matches all."""
_TYPES = {"Boolean": pa.bool_(), "Datetime": pa.timestamp("us"), "Categorical": pa.string(), "Text": pa.string()}


@dataclass(frozen=True)
class ColumnPlan:
    """What becomes of a column."""

    name: str
    type: ColumnType
    arrow_type: pa.DataType
    datetime_format: str | None = None


class ColumnScan:
    """What was seen of a column; give it all batches, then ask."""

    def __init__(self, name: str, file_type: pa.DataType) -> None:
        self.name = name
        self.file_type = file_type
        self.present = 0
        self._length = 0
        self._distinct: set[str] = set()
        self._counts = dict.fromkeys(_NUMBERS | _OTHERS, 0)
        self._truths = self._dates = True

    def add(self, texts: pa.Array) -> None:
        """See a batch of values: trimmed, null where missing."""
        self.present += len(texts) - texts.null_count
        if not kinds.is_string(self.file_type):
            return
        counted = pc.value_counts(texts.drop_null())
        values, counts = counted.field("values"), counted.field("counts")
        self._length += pc.sum(pc.multiply(pc.utf8_length(values).cast(pa.int64()), counts)).as_py() or 0
        if len(self._distinct) <= _MANY:
            self._distinct.update(map(brief, values.slice(0, 2 * _MANY).to_pylist()))
        is_number = matches(values, f"{NUMBER}|{INFINITE}")
        self._count(_NUMBERS, values.filter(is_number), counts.filter(is_number))
        self._count(_OTHERS, values.filter(pc.invert(is_number)), counts.filter(pc.invert(is_number)))
        # Parsing one by one is slow, but ends with the first that fails.
        self._truths = self._truths and all(parses(text.as_py(), truth) for text in values)
        self._dates = self._dates and all(parses(text.as_py(), moment) for text in values)

    def _count(self, patterns: Mapping[str, str], values: pa.Array, counts: pa.Array) -> None:
        for name, pattern in patterns.items() if len(values) else ():
            self._counts[name] += pc.sum(counts.filter(matches(values, pattern))).as_py() or 0

    def plan(self, declared: Column | None) -> ColumnPlan:
        """What becomes of the column."""
        type_ = declared.type if declared else self._type()
        return ColumnPlan(
            self.name,
            type_,
            self._numeric() if type_ == "Numeric" else _TYPES[type_],
            declared.datetime_format if declared else None,
        )

    def findings(self, plan: ColumnPlan, declared: Column | None) -> list[Finding]:
        """What people may want to declare or mend."""
        if not self.present:
            return [_warning(self.name, "all values are missing")]
        if declared or plan.type not in ("Categorical", "Text") or not kinds.is_string(self.file_type):
            return []
        if self._counts["date-like"] >= _MOSTLY * self.present:
            how = "say how they are written: columns: [{name: NAME, type: Datetime, datetimeFormat: '%d.%m.%Y'}]"
            return [
                _warning(self.name, f"the values look like dates but are not all ISO 8601, so it is {plan.type}; {how}")
            ]
        others = self.present - self._counts["number"]
        if 0 < others <= (1 - _MOSTLY) * self.present:
            what = f"{others:,} of {self.present:,} values are no numbers, so it is {plan.type}"
            return [_warning(self.name, f"{what}; declare it Numeric to have those rows rejected instead")]
        return []

    def _type(self) -> ColumnType:
        if not kinds.is_string(self.file_type):
            return (
                "Boolean"
                if kinds.is_boolean(self.file_type)
                else "Datetime"
                if kinds.is_timestamp(self.file_type)
                else "Numeric"
            )
        if self.present:
            if self._counts["number"] == self.present and not self._counts["code"]:
                return "Numeric"
            if self._truths:
                return "Boolean"
            if self._dates:
                return "Datetime"
        distinct = len(self._distinct)
        is_category = distinct <= _FEW or (distinct <= _MANY and 2 * distinct <= self.present)
        return "Categorical" if is_category and self._length <= _LONG * self.present else "Text"

    def _numeric(self) -> pa.DataType:
        """int64 where all numbers are whole."""
        if not kinds.is_string(self.file_type):
            return pa.float64() if kinds.is_floating(self.file_type) else pa.int64()
        return pa.int64() if self._counts["integer"] == self._counts["number"] else pa.float64()


def _warning(column: str, message: str) -> Finding:
    return Finding(rule=f"{column}: type", severity="Warning", message=message[:512])
