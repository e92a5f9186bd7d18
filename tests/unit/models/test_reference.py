"""What rows were like, and how far other rows are from it."""

import numpy as np
import pytest

from afina_models import reference
from afina_models.columns import Columns

TYPES = {"age": "Numeric", "town": "Categorical", "note": "Text", "garden": "Boolean"}


def rows(count: int, seed: int, **changed: object) -> Columns:
    rng = np.random.default_rng(seed)
    age = np.where(rng.random(count) < 0.1, np.nan, rng.normal(40, 10, count).round())
    found = {
        "age": age,
        "town": rng.choice(np.array(["Soria", "Teruel", None], dtype=object), count, p=[0.6, 0.3, 0.1]),
        "note": np.array([f"text {rng.random()}" for _ in range(count)], dtype=object),
        "garden": rng.choice([0.0, 1.0], count),
    }
    return {**found, **{name: np.array(values) for name, values in changed.items()}}


@pytest.fixture(scope="module")
def known() -> dict[str, reference.ColumnReference]:
    return reference.reference(rows(5000, 0), TYPES)


def test_every_row_is_in_one_bin(known: dict[str, reference.ColumnReference]) -> None:
    for name, column in known.items():
        assert sum(column.counts) == 5000
        assert column.count(rows(300, 1)[name]).sum() == 300
    assert known["age"].counts[0] == pytest.approx(500, abs=100), "missing"
    assert known["town"].values == ["Soria", "Teruel"]
    assert known["note"].counts[:2] == [0, 5000], "each is another"
    assert len([count for count in known["garden"].counts if count]) == 2


def test_a_value_that_is_frequent_has_a_bin_of_its_own() -> None:
    column = np.array([0.0] * 600 + list(range(1, 401)))
    known = reference.reference({"age": column}, {"age": "Numeric"})["age"]
    assert known.counts[2] == 600


def test_other_rows_of_the_same_kind_are_near(known: dict[str, reference.ColumnReference]) -> None:
    for count in (100, 1000, 20_000):
        seen = [column.stability_index(column.count(rows(count, 1)[name])) for name, column in known.items()]
        assert max(np.abs(seen)) < 0.1


def test_what_is_expected_by_chance_is_taken_off(known: dict[str, reference.ColumnReference]) -> None:
    age = known["age"]
    found = [age.stability_index(age.count(rows(200, seed)["age"])) for seed in range(200)]
    assert np.mean(found) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", np.full(1000, 90.0)),
        ("age", np.random.default_rng(2).normal(50, 10, 1000)),
        ("age", np.full(1000, np.nan)),
        ("town", np.array(["Zamora"] * 1000, dtype=object)),
        ("note", np.array([None] * 1000, dtype=object)),
        ("garden", np.ones(1000)),
    ],
)
def test_what_has_changed_is_far(
    name: str, values: np.ndarray[tuple[int], np.dtype[np.object_]], known: dict[str, reference.ColumnReference]
) -> None:
    assert known[name].stability_index(known[name].count(values)) > 0.25


def test_is_read_as_it_was_written(
    known: dict[str, reference.ColumnReference], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("model") / reference.REFERENCE
    assert reference.load(file) == {}
    reference.save(known, file)
    assert reference.load(file) == known


def test_a_column_in_which_all_is_missing() -> None:
    column = {"age": np.full(50, np.nan), "town": np.array([None] * 50, dtype=object)}
    known = reference.reference(column, {"age": "Numeric", "town": "Categorical"})
    for name, one in known.items():
        assert one.counts[0] == 50
        assert one.stability_index(one.count(column[name])) == pytest.approx(0, abs=0.01)
    assert known["age"].stability_index(known["age"].count(np.ones(1000))) > 0.25


def test_of_many_columns_the_first_are_kept() -> None:
    names = [f"x{number}" for number in range(300)]
    known = reference.reference({name: np.zeros(3) for name in names}, dict.fromkeys(names, "Numeric"))
    assert list(known) == names[: reference.MAX_COLUMNS]
