"""What is kept: the digest, the types, the statistics, the report, and that a finished Dataset is left alone."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.sources.base import digest_of

from .conftest import Make

TYPES = {
    "whole numbers": (["1", "-2", "+3"], "Numeric", "int64"),
    "numbers": (["1", "2.5", ".5", "1e3"], "Numeric", "double"),
    "numbers and gaps": (["1", "NA", "3"], "Numeric", "int64"),
    "codes with zeros in front": (["0123", "0456"], "Categorical", "string"),
    "names of 19 digits": (["1234567890123456789", "1"], "Categorical", "string"),
    "truth": (["Yes", "no", "TRUE", "f"], "Boolean", "bool"),
    "zeros and ones": (["0", "1"], "Numeric", "int64"),
    "few words": (["a", "b", "a"], "Categorical", "string"),
    "many words": ([f"w{n}" for n in range(30)], "Text", "string"),
    "many words, each twice": ([f"w{n // 2}" for n in range(60)], "Categorical", "string"),
    "long texts": (["x" * 150, "y" * 150], "Text", "string"),
}


@pytest.mark.parametrize("case", TYPES)
def test_types_are_inferred(case: str, make: Make) -> None:
    values, type_, arrow_type = TYPES[case]
    made = make("c,d\n" + "".join(f"{value},x\n" for value in values))
    assert made.column("c")["type"] == type_
    assert str(made.table.schema.field("c").type) == arrow_type


def test_declared_types_go_before(make: Make) -> None:
    declared = {"zip": "Numeric", "flag": "Boolean", "id": "Categorical"}
    columns = [{"name": name, "type": type_} for name, type_ in declared.items()]
    made = make("zip,flag,id\n0123,1,7\n0456,0,8\n", columns=columns)
    assert made.table.to_pydict() == {"zip": [123, 456], "flag": [True, False], "id": ["7", "8"]}


def test_statistics_are_those_of_numpy(make: Make) -> None:
    values = np.random.default_rng(7).normal(100, 15, 5_000).round(6)
    made = make("x\n" + "".join(f"{value}\n" for value in values))
    found = made.column("x")
    assert (found["min"], found["max"]) == (values.min(), values.max())
    assert found["mean"] == pytest.approx(values.mean())
    assert found["std"] == pytest.approx(values.std(ddof=1))
    levels = {level["share"]: level["value"] for level in found["quantiles"]}
    assert levels[0.5] == pytest.approx(np.quantile(values, 0.5))
    assert found["histogram"]["counts"] == np.histogram(values, 20)[0].tolist()


def test_statistics_of_extremes_are_json(make: Make) -> None:
    made = make("x,y,z\n1e308,5,2024-01-01\n-1e308,5,2024-01-03\n1e308,5,\n")
    assert sum(made.column("x")["histogram"]["counts"]) == 3
    assert made.column("y")["histogram"]["counts"] == [3]
    assert (made.column("z")["min"], made.column("z")["missing"]) == ("2024-01-01T00:00:00", 1)
    json.dumps(made.description, allow_nan=False)


def test_categories_are_counted(make: Make) -> None:
    made = make("c\nb\na\nb\n")
    assert made.column("c")["top"] == [{"value": "b", "count": 2}, {"value": "a", "count": 1}]


def test_the_digest_is_of_bytes_in_any_order(make: Make) -> None:
    assert digest_of([b"b", b"a"]) == digest_of([b"a", b"b"]) != digest_of([b"a"])
    as_csv, as_tsv = make("a\n1\n"), make("a\n1\n", "TSV")
    assert as_csv.outcome.status.digest == as_tsv.outcome.status.digest != make("a\n2\n").outcome.status.digest


def test_a_finished_dataset_is_not_done_again(make: Make) -> None:
    first = make("a\n1\n2,3\n")
    file = first.volume / "data.parquet"
    written = file.stat().st_mtime_ns
    again = make("a\n5\n")
    assert again.outcome == first.outcome
    assert file.stat().st_mtime_ns == written


def test_another_spec_is_done_and_leaves_nothing_of_the_first(make: Make) -> None:
    first = make("a\n1\n")
    (first.volume / "data.parquet").write_bytes(b"old")
    again = make("a\n1\n2\n", validation=[{"minRows": 2}])
    assert again.table.num_rows == 2
    assert {entry.name for entry in again.volume.iterdir()} == {
        "data.parquet", "dataset.json", "report.html", "report.json", "rejected.csv",
    }  # fmt: skip


def test_what_a_killed_pod_left_is_cleared(make: Make, tmp_path: Path) -> None:
    (tmp_path / "volume" / ".building").mkdir(parents=True)
    (tmp_path / "volume" / ".building" / "data.parquet").write_bytes(b"half")
    (tmp_path / "volume" / "data.parquet").write_bytes(b"half")
    made = make("a\n1\n")
    assert made.table.num_rows == 1
    assert not (made.volume / ".building").exists()


def test_the_report_shows_what_users_wrote_as_text(make: Make) -> None:
    made = make("<script>x</script>,b\n<img src=x>,1\ny,2,3\n")
    page = (made.volume / "report.html").read_text()
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "RaggedRow" in page


def test_a_path_may_not_lead_out_by_a_link(make: Make, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a\n1\n")
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "source").symlink_to(tmp_path / "secret")
    assert make(None).outcome.reason == DatasetReason.SOURCE_NOT_ALLOWED


def test_a_file_that_is_not_there_is_told_with_what_is(make: Make, tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "other.csv").write_text("a\n1\n")
    made = make(None)
    assert made.outcome.reason == DatasetReason.SOURCE_UNAVAILABLE
    assert "other.csv" in made.outcome.message


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_texts_come_through_csv_as_they_were(make: Make, rows: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("one", "two"), *rows])
    columns = [{"name": name, "type": "Text"} for name in ("one", "two")]
    made = make(stream.getvalue(), columns=columns)
    missing = {"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>", "NaT", "nil"}
    wanted = [tuple(None if value.strip() in missing else value for value in row) for row in rows]
    assert list(zip(*made.table.to_pydict().values(), strict=True)) == wanted
    shutil.rmtree(made.volume)
