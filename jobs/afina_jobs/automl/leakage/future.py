"""Columns that know what comes after the row's time."""

import numpy as np
import pandas as pd

from afina_models.arrays import Array

MAX_LATER_SHARE = 0.05
"""Of a column of dates, so many may be later than the row."""
MIN_CORRELATION = 0.95
LEADS = (1, 2, 3)
"""Rows that are looked ahead."""
_MIN_ROWS = 30


def later_than_row(values: pd.Series, moments: pd.Series) -> str | None:
    """How many dates are later than the moment of their row, if too many: they were written in afterwards."""
    if not pd.api.types.is_datetime64_any_dtype(moments):
        return None
    known = values.notna() & moments.notna()
    share = float((values[known] > moments[known]).mean()) if known.any() else 0.0
    return f"{share:.0%} of its dates are later than {moments.name!r} of the row" if share > MAX_LATER_SHARE else None


def knows_later_target(values: pd.Series, moments: pd.Series, target: Array) -> str | None:
    """How the column's changes follow the changes that the target is yet to make, if they do.

    Changes, not values: a slow series resembles its own future anyway. They must follow the target of a later row
    more closely than that of their own row.
    """
    if len(values) < _MIN_ROWS:
        return None
    order = np.argsort(moments.to_numpy(), kind="stable")
    column = np.diff(values.to_numpy(dtype=float, na_value=np.nan)[order])
    changes = np.diff(target[order].astype(float))
    now = _correlation(column, changes)
    for lead in LEADS:
        ahead = _correlation(column[:-lead], changes[lead:])
        if ahead >= MIN_CORRELATION and ahead > now:
            return f"its changes follow those of the target {lead} row(s) later (correlation {ahead:.3f})"
    return None


def _correlation(left: Array, right: Array) -> float:
    known = np.isfinite(left) & np.isfinite(right)
    left, right = left[known], right[known]
    if len(left) < _MIN_ROWS // 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return 0.0
    return abs(float(np.corrcoef(left, right)[0, 1]))
