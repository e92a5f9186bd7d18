"""Rules: which rows they reject, when they fail, and that warnings only tell."""

from datetime import UTC, datetime
from typing import Any

import pytest

from afina_api.reasons import DatasetReason

from .conftest import Make

PEOPLE = "id,age,city,seen\n" + "".join(f"{n},{n},{'Bern' if n % 4 else 'Rome'},2025-12-{n:02}\n" for n in range(1, 21))

FAILING: dict[str, tuple[dict[str, Any], str, str, dict[str, int]]] = {
    "min": ({"column": "age", "min": 3}, "age: min 3", "2 of 20 rows", {"BelowMinimum": 2}),
    "max": ({"column": "age", "max": 19}, "age: max 19", "1 of 20 rows", {"AboveMaximum": 1}),
    "allowed": ({"column": "city", "allowed": ["Bern"]}, "city: allowed", "5 of 20 rows", {"NotAllowed": 5}),
    "allowed numbers": ({"column": "age", "allowed": ["1.0", "2"]}, "age: allowed", "18 of 20", {"NotAllowed": 18}),
    "unique": ({"column": "city", "unique": True}, "city: unique", "18 of 20 rows", {"NotUnique": 18}),
    "type": ({"column": "city", "type": "Numeric"}, "city: type Numeric", "20 of 20", {"WrongType": 20}),
    "a column that is not there": ({"column": "income"}, "income: must be there", "only: id, age, city, seen", {}),
    "min of words": ({"column": "city", "min": 1}, "city: min, max", "declare it Numeric", {}),
    "age of words": ({"column": "city", "maxAgeSeconds": 1}, "city: maxAgeSeconds", "declare it Datetime", {}),
    "too few of a class": (
        {"column": "city", "minClassShare": 0.3},
        "city: minClassShare 0.3",
        "'Rome', is in 5 of 20 rows",
        {},
    ),
    "too old": ({"column": "seen", "maxAgeSeconds": 86_400}, "seen: maxAgeSeconds 86400", "2025-12-20", {}),
    "too few rows": ({"minRows": 21}, "minRows 21", "20 rows are accepted", {}),
}


@pytest.mark.parametrize("case", FAILING)
def test_an_error_rejects_and_fails(case: str, make: Make) -> None:
    rule, label, words, rejected = FAILING[case]
    made = make(PEOPLE, validation=[rule])
    assert made.outcome.reason == DatasetReason.VALIDATION_FAILED
    assert words in made.findings[label]
    assert label in made.outcome.message
    assert made.rejected == rejected
    assert made.rows == 20 - sum(rejected.values())
    assert not (made.volume / "data.parquet").exists()
    assert (made.volume / "report.html").exists()


@pytest.mark.parametrize("case", FAILING)
def test_a_warning_only_tells(case: str, make: Make) -> None:
    rule, label, words, _ = FAILING[case]
    made = make(PEOPLE, validation=[rule | {"severity": "Warning"}])
    assert made.outcome.reason == DatasetReason.ACCEPTED
    assert words in made.findings[label]
    assert (made.rows, made.rejected) == (20, {})


def test_rules_that_hold_find_nothing(make: Make) -> None:
    rules = [
        {"column": "age", "type": "Numeric", "min": 1, "max": 20, "unique": True, "maxMissingShare": 0},
        {"column": "city", "allowed": ["Bern", "Rome"], "minClassShare": 0.25},
        {"column": "seen", "maxAgeSeconds": 86_400 * 12},
        {"minRows": 20},
    ]
    made = make(PEOPLE, validation=rules)
    assert made.outcome.reason == DatasetReason.ACCEPTED
    assert made.findings == {}


def test_few_enough_violations_are_rejected_and_do_not_fail(make: Make) -> None:
    made = make(PEOPLE, validation=[{"column": "age", "min": 3, "maxViolationShare": 0.1}])
    assert made.outcome.reason == DatasetReason.ACCEPTED
    assert made.rejected == {"BelowMinimum": 2}
    assert min(made.table["age"].to_pylist()) == 3


def test_a_row_that_breaks_two_rules_is_rejected_once(make: Make) -> None:
    rules = [{"column": "age", "min": 3, "maxViolationShare": 1}, {"column": "city", "allowed": ["Bern"]}]
    made = make(PEOPLE, validation=rules)
    assert made.rejected == {"BelowMinimum": 2, "NotAllowed": 5}
    assert made.rows == 13


def test_missing_values_break_only_the_share_of_missing_ones(make: Make) -> None:
    rules = [{"column": "a", "min": 1, "max": 2, "allowed": ["1"], "unique": True, "maxMissingShare": 0.5}]
    made = make("a,b\n,1\n,1\n1,1\n", validation=rules)
    assert made.rejected == {}
    assert list(made.findings) == ["a: maxMissingShare 0.5"]
    assert "2 of 3 values" in made.findings["a: maxMissingShare 0.5"]


def test_of_equal_values_the_first_accepted_one_stays(make: Make) -> None:
    rules = [
        {"column": "id", "unique": True, "maxViolationShare": 1},
        {"column": "n", "min": 0, "maxViolationShare": 1},
    ]
    made = make("id,n\nx,-1\nx,1\nx,2\ny,3\n", validation=rules)
    assert made.rejected == {"BelowMinimum": 1, "NotUnique": 1}
    assert made.table["n"].to_pylist() == [1, 3]


def test_unique_values_are_seen_across_blocks(make: Make) -> None:
    filler = "x" * 100
    rows = "".join(f"{n},{filler}\n" for n in range(100_000))
    made = make(f"id,t\n{rows}7,again\n", validation=[{"column": "id", "unique": True, "maxViolationShare": 0.1}])
    assert made.rejected == {"NotUnique": 1}
    assert made.listed[0][0] == "100001"


def test_a_declared_column_must_be_there(make: Make) -> None:
    made = make(PEOPLE, columns=[{"name": "income", "type": "Numeric"}])
    assert made.outcome.reason == DatasetReason.VALIDATION_FAILED
    assert "income: must be there" in made.findings


def test_freshness_is_counted_from_now(make: Make) -> None:
    rule = {"column": "seen", "maxAgeSeconds": 86_400}
    made = make(PEOPLE, now=datetime(2025, 12, 20, 12, tzinfo=UTC), validation=[rule])
    assert made.outcome.reason == DatasetReason.ACCEPTED
