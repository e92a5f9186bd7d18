"""Planted leaks are found and named; honest columns are not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from afina_jobs.automl.leakage.findings import blocking, find_leaks
from afina_jobs.automl.problem import Problem

ROWS = 400
RNG = np.random.default_rng(3)
TARGET = RNG.normal(size=ROWS)
CODES = (RNG.uniform(size=ROWS) < 0.3).astype(int)
DAYS = pd.Series(pd.date_range("2025-01-01", periods=ROWS, freq="D"))
NUMBERS, CLASSES = Problem("Regression", "RMSE", ()), Problem("Classification", "LogLoss", ("0", "1"))

PLANTED = {
    "a copy of the target": (TARGET, "Numeric", NUMBERS, "TargetCopy"),
    "a bent copy": (np.exp(TARGET), "Numeric", NUMBERS, "TargetCopy"),
    "a negated, noisy copy": (-TARGET + RNG.normal(size=ROWS) / 1000, "Numeric", NUMBERS, "TargetCopy"),
    "an encoded class": (np.where(CODES, "paid", "open"), "Categorical", CLASSES, "TargetCopy"),
    "a class in the scale of another": (CODES * 7.5 + RNG.uniform(size=ROWS), "Numeric", CLASSES, "TargetCopy"),
    "a row number": (RNG.permutation(ROWS).astype(float), "Numeric", NUMBERS, "Identifier"),
    "a name of the row": (np.array([f"row-{n}" for n in range(ROWS)]), "Text", CLASSES, "Identifier"),
    "the target of the next day": (np.append(TARGET[1:], 0.0), "Numeric", NUMBERS, "FutureTarget"),
    "a date that comes later": (DAYS + pd.Timedelta(days=9), "Datetime", NUMBERS, "FutureTime"),
}

HONEST = {
    "noise": (RNG.normal(size=ROWS), "Numeric", NUMBERS),
    "a good predictor": (TARGET + RNG.normal(size=ROWS) / 5, "Numeric", NUMBERS),
    "a good hint at the class": (CODES + RNG.normal(size=ROWS) / 3, "Numeric", CLASSES),
    "different but sparse whole numbers": (RNG.choice(10**7, ROWS, replace=False).astype(float), "Numeric", NUMBERS),
    "free text": (np.array([f"said {n} words" for n in range(ROWS)]), "Text", CLASSES),
    "the target of yesterday": (np.append(0.0, TARGET[:-1]), "Numeric", NUMBERS),
    "a date that came before": (DAYS - pd.Timedelta(days=9), "Datetime", NUMBERS),
}


def look(values: object, kind: str, problem: Problem) -> list[tuple[str, str]]:
    frame = pd.DataFrame({"suspect": values, "day": DAYS})
    target = CODES if problem.classes else TARGET
    return [(f.column, f.kind) for f in find_leaks(frame, {"suspect": kind}, target, problem, "day", seed=0)]


@pytest.mark.parametrize("case", PLANTED.values(), ids=PLANTED.keys())
def test_a_leak_is_found(case: tuple[object, str, Problem, str]) -> None:
    values, kind, problem, expected = case
    assert look(values, kind, problem) == [("suspect", expected)]


@pytest.mark.parametrize("case", HONEST.values(), ids=HONEST.keys())
def test_an_honest_column_is_let_in(case: tuple[object, str, Problem]) -> None:
    assert look(*case) == []


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_wine])
def test_real_data_is_let_in(load: object) -> None:
    data = load(as_frame=True)  # type: ignore[operator]
    problem = NUMBERS if load is load_diabetes else Problem("Classification", "LogLoss", tuple(data.target_names))
    types = dict.fromkeys(data.data.columns, "Numeric")
    assert find_leaks(data.data, types, data.target.to_numpy(), problem, None, seed=0) == []


def test_what_is_allowed_does_not_block() -> None:
    frame = pd.DataFrame({"copy": TARGET, "other": 2 * TARGET})
    found = find_leaks(frame, dict.fromkeys(frame, "Numeric"), TARGET, NUMBERS, None, seed=0)
    assert [finding.column for finding in blocking(found, ["copy"])] == ["other"]
    assert str(found[1]).startswith("'other' (TargetCopy): it orders the rows")
