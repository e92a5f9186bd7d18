"""Every bad file gives a typed error that tells what to do, or the right rows; no row is dropped in silence."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from afina_api.reasons import DatasetReason
from support.bad_files import READ, REFUSED, huge_png, wide_parquet
from support.sources import Measured, dataset, measured

from .conftest import Make


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(case: str, make: Make) -> None:
    bad = REFUSED[case]
    made = make(bad.content(), bad.format)
    assert made.outcome.reason == bad.reason
    if bad.reason != DatasetReason.VALIDATION_FAILED:
        assert "source on volume lake" in made.outcome.message or "the source has" in made.outcome.message
    for word in bad.says:
        assert word in made.outcome.message
    assert not (made.volume / "data.parquet").exists()
    assert not (made.volume / "dataset.json").exists()


@pytest.mark.parametrize("case", READ)
def test_is_read(case: str, make: Make) -> None:
    bad = READ[case]
    made = make(bad.content, bad.format)
    assert made.outcome.reason == DatasetReason.ACCEPTED, made.outcome.message
    assert (made.rows, made.rejected) == (bad.rows, bad.rejected)
    assert made.table.num_rows == bad.rows
    assert len(made.listed) == sum(bad.rejected.values())
    assert made.report["rowsIn"] == bad.rows + sum(bad.rejected.values())
    assert not bad.finding or bad.finding in made.findings


def _pieces(*parts: tuple[bytes, int]) -> Iterator[bytes]:
    """Bytes that are repeated."""
    return itertools.chain.from_iterable(itertools.repeat(*part) for part in parts)


_MEGABYTE = b"x" * 10**6
_HEADER = ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n"
MOST_MIB = 700
"""Pods have 1 GiB where nothing else is said; a small file takes 215 MiB, for the libraries."""
VAST = {
    "a small file": ("CSV", _pieces((b"a,b\n1,2\n", 1)), DatasetReason.ACCEPTED),
    "a line of 700 MB": ("CSV", _pieces((b"a,b\n1,2\n", 1), (_MEGABYTE, 700)), DatasetReason.TOO_LARGE),
    "a quoted value of 700 MB": ("CSV", _pieces((b'a\n"', 1), (_MEGABYTE, 700), (b'"\n', 1)), DatasetReason.TOO_LARGE),
    "2,000 different texts of 200 KB": (
        "JSONLines",
        (b'{"a": "%s%d"}\n' % (b"x" * 200_000, number) for number in range(2_000)),
        DatasetReason.ACCEPTED,
    ),
    "100,000 columns of 500 rows": (
        "CSV",
        _pieces((_HEADER, 1), (b",".join([b"1"] * 100_000) + b"\n", 500)),
        DatasetReason.TOO_LARGE,
    ),
}


OTHERS = {
    "a Parquet file of 10 KB with 800 MB of text": DatasetReason.ACCEPTED,
    "an image of 50,000 x 50,000 pixels": DatasetReason.VALIDATION_FAILED,
}


@pytest.fixture(scope="module")
def vast() -> dict[str, Measured]:
    """What came of vast files, and what memory it took. They lie on a disk, wherever other tests have their files."""
    with TemporaryDirectory(prefix="afina-test-", dir="/var/tmp") as place:
        return _of_vast_files(Path(place))


def _of_vast_files(place: Path) -> dict[str, Measured]:
    cases = []
    for number, (format_, content, _) in enumerate(VAST.values()):
        folder = place / f"vast-{number}"
        (folder / "mounted").mkdir(parents=True)
        with (folder / "mounted" / "source").open("wb") as stream:
            stream.writelines(content)
        cases.append((folder, dataset({"configMap": {"name": "files", "key": "source"}}, format_)))
    cases.append(_texts_in_common(place / "parquet"))
    photos = place / "photos"
    (photos / "mounted" / "photos").mkdir(parents=True)
    (photos / "mounted" / "photos" / "huge.png").write_bytes(huge_png())
    (photos / "mounted" / "photos" / "labels.csv").write_text("file,label\nhuge.png,1\n")
    cases.append((photos, dataset({"volume": {"claimRef": {"name": "lake"}, "path": "photos"}}, "Images")))
    return dict(zip([*VAST, *OTHERS], measured(cases), strict=True))


def _texts_in_common(folder: Path) -> tuple[Path, dict[str, Any]]:
    (folder / "mounted").mkdir(parents=True)
    (folder / "mounted" / "source").write_bytes(wide_parquet(8_000, 100_000))
    return folder, dataset({"configMap": {"name": "files", "key": "source"}}, "Parquet")


@pytest.mark.parametrize("case", [*VAST, *OTHERS])
def test_vast_files_need_little_memory(case: str, vast: dict[str, Measured]) -> None:
    reason = VAST[case][2] if case in VAST else OTHERS[case]
    assert vast[case].reason == reason, vast[case].message
    assert vast[case].peak_mib < MOST_MIB


def test_rejected_rows_are_named_by_their_number_and_text(make: Make) -> None:
    made = make("a,b\n1,2\n3\n4,5\n6,7,8\n")
    assert [row[:2] for row in made.listed] == [["2", "RaggedRow"], ["4", "RaggedRow"]]
    assert "1 values where the header has 2: 3" in made.listed[0][2]


def test_latin_1_is_read_and_told(make: Make) -> None:
    made = make("name,city\nJosé,Zürich\n".encode("latin-1"))
    assert made.table["city"].to_pylist() == ["Zürich"]
    assert "Windows-1252" in made.findings["encoding"]


def test_mixed_types_become_text_that_is_told_of(make: Make) -> None:
    made = make("a\n" + "".join(f"{n}\n" for n in range(100)) + "many\n")
    assert made.column("a")["type"] == "Text"
    assert "1 of 101 values are no numbers" in made.findings["a: type"]
    assert made.rows == 101


def test_mixed_types_are_rejected_where_a_type_is_declared(make: Make) -> None:
    made = make("a\n1\n2\nmany\n3.5\n", columns=[{"name": "a", "type": "Numeric"}])
    assert made.rejected == {"WrongType": 1}
    assert made.listed == [["3", "WrongType", "a: 'many' is not Numeric"]]
    assert made.table["a"].to_pylist() == [1.0, 2.0, 3.5]


DATES = {
    "ISO 8601": (["2024-02-29", "2024-03-01T10:00:00", "2024-03-01 10:00:00.5", "2024-03-01T10:00+02:00"], "Datetime"),
    "day first or month first": (["03/04/2024", "05/06/2024"], "Categorical"),
    "with dots": (["29.02.2024", "01.03.2024"], "Categorical"),
    "with the month's name": (["29 Feb 2024", "1 Mar 2024"], "Categorical"),
    "all four in one column": (["2024-02-29", "29.02.2024", "02/29/2024", "29 Feb 2024"], "Categorical"),
}


@pytest.mark.parametrize("case", DATES)
def test_dates_are_dates_when_nothing_is_guessed(case: str, make: Make) -> None:
    texts, type_ = DATES[case]
    made = make("day\n" + "\n".join(texts) + "\n")
    assert made.column("day")["type"] == type_
    assert ("day: type" in made.findings) == (type_ != "Datetime")
    if type_ != "Datetime":
        assert "datetimeFormat" in made.findings["day: type"]


def test_offsets_of_dates_are_applied(make: Make) -> None:
    made = make("t\n2024-03-01T10:00:00+02:00\n2024-03-01T08:00:00Z\n2024-03-01T08:00:00\n")
    assert made.column("t")["distinct"] == 1


def test_a_declared_format_reads_dates(make: Make) -> None:
    columns = [{"name": "day", "type": "Datetime", "datetimeFormat": "%d.%m.%Y"}]
    made = make("day\n29.02.2024\n30.02.2024\n2024-02-29\n", columns=columns)
    assert [str(day) for day in made.table["day"].to_pylist()] == ["2024-02-29 00:00:00"]
    assert made.rejected == {"WrongType": 2}


def test_a_format_that_cannot_be_is_refused(make: Make) -> None:
    made = make("day\n1\n", columns=[{"name": "day", "type": "Datetime", "datetimeFormat": "%Q"}])
    assert made.outcome.reason == DatasetReason.INVALID_SPEC
    assert "spec.columns[0].datetimeFormat" in made.outcome.message
