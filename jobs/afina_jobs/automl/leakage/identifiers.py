"""Columns that number the rows: a model can only learn them by heart."""

import numpy as np
import pandas as pd

_MIN_ROWS = 50


def identifies(values: pd.Series, kind: str) -> str | None:
    """How the column names each row, if it does.

    Continuous numbers and free text are different in each row by nature. So numbers must be whole and dense, as
    counters are, and words must be single ones.
    """
    if len(values) < _MIN_ROWS or kind not in ("Numeric", "Categorical", "Text") or not values.is_unique:
        return None
    if values.isna().any():
        return None
    if kind == "Numeric":
        numbers = values.to_numpy(dtype=float)
        whole = bool(np.all(np.mod(numbers, 1) == 0))
        dense = numbers.max() - numbers.min() < 2 * len(numbers)
        return f"a counter: {len(numbers)} different whole numbers in {len(numbers)} rows" if whole and dense else None
    if values.str.contains(r"\s", regex=True).any():
        return None
    return f"a name of the row: {len(values)} different words in {len(values)} rows"
