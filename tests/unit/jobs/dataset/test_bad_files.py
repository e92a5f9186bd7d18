"""Every bad file gives a typed error that tells what to do, or the right rows; no row is dropped in silence."""

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afina_api.reasons import DatasetReason

from .conftest import Make

ROWS = "name,age\nAna,31\nBea,44\nCai,29\n"


def _parquet(table: pa.Table, **options: Any) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def _bomb() -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb") as packed:
        packed.write(b"a,b\n")
        for _ in range(90):
            packed.write(b"1,2\n" * 2**18)
    return stream.getvalue()


def _damaged_page() -> bytes:
    whole = bytearray(_parquet(pa.table({"a": [float(n) for n in range(50_000)]}), write_page_checksum=True))
    whole[200:4_000] = b"\xff" * 3_800
    return bytes(whole)


TABLE = _parquet(pa.table({"a": list(range(1000))}))

REFUSED: dict[str, tuple[str, Callable[[], bytes], DatasetReason, list[str]]] = {
    "an empty file": ("CSV", lambda: b"", DatasetReason.UNREADABLE_DATA, ["is empty", "it needs rows"]),
    "an empty file of JSON": ("JSONLines", lambda: b"", DatasetReason.UNREADABLE_DATA, ["is empty"]),
    "blank lines only": ("CSV", lambda: b"\n\n\r\n", DatasetReason.UNREADABLE_DATA, ["blank lines only"]),
    "only a header": ("CSV", lambda: b"a,b\n", DatasetReason.UNREADABLE_DATA, ["no rows, only a header"]),
    "a name twice in the header": (
        "CSV",
        lambda: b"a,b,a\n1,2,3\n",
        DatasetReason.UNREADABLE_DATA,
        ["columns 1 and 3", "'a'", "rename one"],
    ),
    "no name in the header": ("CSV", lambda: b"a,,c\n1,2,3\n", DatasetReason.UNREADABLE_DATA, ["column 2", "name it"]),
    "100,000 columns": (
        "CSV",
        lambda: ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n" + b",".join([b"1"] * 100_000) + b"\n",
        DatasetReason.TOO_LARGE,
        ["100,000 columns", "5,000 are allowed"],
    ),
    "100,000 keys": (
        "JSONLines",
        lambda: "\n".join(json.dumps({f"k{n}": 1}) for n in range(100_000)).encode(),
        DatasetReason.TOO_LARGE,
        ["over 5,000 different keys"],
    ),
    "a gzip bomb": ("CSV", _bomb, DatasetReason.TOO_LARGE, ["over 100 times its size", "decompress it yourself"]),
    "gzip that is cut off": (
        "CSV",
        lambda: gzip.compress(ROWS.encode() * 1000)[:-20],
        DatasetReason.UNREADABLE_DATA,
        ["is cut off", "gzip stream does not end"],
    ),
    "gzip that is damaged": (
        "CSV",
        lambda: gzip.compress(ROWS.encode() * 1000)[:-8] + bytes(8),
        DatasetReason.UNREADABLE_DATA,
        ["is damaged"],
    ),
    "a quotation mark that is not closed": (
        "CSV",
        lambda: b'a,b\n1,"x\n3,4\n5,6\n',
        DatasetReason.UNREADABLE_DATA,
        ["never closed", "double it"],
    ),
    "a quotation mark that is not closed, and 40 MB after it": (
        "CSV",
        lambda: b'a,b\n1,"x\n' + b"3,4\n" * 10**7,
        DatasetReason.TOO_LARGE,
        ["longer than 16.0 MiB", "never closed"],
    ),
    "an Excel workbook": ("CSV", lambda: b"PK\x03\x04" + b"\0" * 99, DatasetReason.UNREADABLE_DATA, ["Excel", "save"]),
    "Parquet called CSV": ("CSV", lambda: TABLE, DatasetReason.UNREADABLE_DATA, ["a Parquet file", "format: Parquet"]),
    "CSV called Parquet": ("Parquet", lambda: ROWS.encode(), DatasetReason.UNREADABLE_DATA, ["is no Parquet file"]),
    "Parquet that is cut off": (
        "Parquet",
        lambda: TABLE[:-100],
        DatasetReason.UNREADABLE_DATA,
        ["cut off", "write it again"],
    ),
    "Parquet with a damaged page": ("Parquet", _damaged_page, DatasetReason.UNREADABLE_DATA, ["damaged after row 0"]),
    "Parquet with lists": (
        "Parquet",
        lambda: _parquet(pa.table({"a": [[1, 2], [3]]})),
        DatasetReason.UNREADABLE_DATA,
        ["column 'a'", "list", "leave it out"],
    ),
    "a file that begins as UTF-16 and is not": (
        "CSV",
        lambda: b"\xff\xfea\0,\0b\0\n\0" + b"\x00\xd8\x00\xd8",
        DatasetReason.UNREADABLE_DATA,
        ["begins as utf-16", "save it as UTF-8"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(case: str, make: Make) -> None:
    format_, content, reason, words = REFUSED[case]
    made = make(content(), format_)
    assert made.outcome.reason == reason
    assert "source on volume lake" in made.outcome.message or "the source has" in made.outcome.message
    for word in words:
        assert word in made.outcome.message
    assert not (made.volume / "data.parquet").exists()
    assert not (made.volume / "dataset.json").exists()


READ: dict[str, tuple[str, bytes, int, dict[str, int]]] = {
    "ragged rows": ("CSV", b"a,b\n1,2\n3\n4,5,6\n7,8\n", 2, {"RaggedRow": 2}),
    "blank lines between rows": ("CSV", b"\na,b\n\n1,2\n\n\n3,4\n\n", 2, {}),
    "no end of the last line": ("CSV", b"a,b\n1,2", 1, {}),
    "line ends of Windows": ("CSV", b"a,b\r\n1,2\r\n3,4\r\n", 2, {}),
    "UTF-8 with a byte order mark": ("CSV", b"\xef\xbb\xbf" + ROWS.encode(), 3, {}),
    "UTF-16 with a byte order mark": ("CSV", ROWS.encode("utf-16"), 3, {}),
    "UTF-16 without one, little end first": ("CSV", ROWS.encode("utf-16-le"), 3, {}),
    "UTF-16 without one, big end first": ("CSV", ROWS.encode("utf-16-be"), 3, {}),
    "UTF-32": ("CSV", ROWS.encode("utf-32"), 3, {}),
    "gzip": ("CSV", gzip.compress(ROWS.encode()), 3, {}),
    "tabs": ("TSV", ROWS.replace(",", "\t").encode(), 3, {}),
    "NUL bytes in two values": ("CSV", b"a,b\nx\0,1\ny,2\nz,\0\n", 1, {"NulByte": 2}),
    "infinite numbers": ("CSV", b"a\n1\ninf\n-Infinity\n1e999\n2.5\n", 2, {"NotFinite": 3}),
    "all values missing": ("CSV", b"a,b\n,\nNA,nan\nNULL,\n", 3, {}),
    "one row": ("CSV", b"a\n1\n", 1, {}),
    "lines that are no JSON": (
        "JSONLines",
        b'{"a": 1}\n{"a": \n[1]\n{"a": 1, "a": 2}\n{"a": NaN}\n7\n',
        1,
        {"InvalidJSON": 5},
    ),
    "JSON so deep that Python gives up": (
        "JSONLines",
        b'{"a":1}\n{"a":' + b"[" * 100_000 + b"}\n",
        1,
        {"InvalidJSON": 1},
    ),
    "numbers of 10,000 digits": ("JSONLines", b'{"a": 1' + b"0" * 10_000 + b'}\n{"a": 2}\n', 2, {}),
    "keys that come late": ("JSONLines", b'{"a": 1}\n{"b": 2}\n\n{"a": 3, "c": {"d": [1]}}\n', 3, {}),
    "Parquet with infinite numbers": (
        "Parquet",
        _parquet(pa.table({"a": [1.0, float("inf"), float("nan"), None]})),
        3,
        {"NotFinite": 1},
    ),
    "Parquet with dates of no calendar": (
        "Parquet",
        _parquet(pa.table({"a": pa.array([0, 10**18], pa.timestamp("us"))})),
        1,
        {"WrongType": 1},
    ),
}


@pytest.mark.parametrize("case", READ)
def test_is_read(case: str, make: Make) -> None:
    format_, content, rows, rejected = READ[case]
    made = make(content, format_)
    assert made.outcome.reason == DatasetReason.ACCEPTED, made.outcome.message
    assert (made.rows, made.rejected) == (rows, rejected)
    assert made.table.num_rows == rows
    assert len(made.listed) == sum(rejected.values())
    assert made.report["rowsIn"] == rows + sum(rejected.values())


def test_only_ragged_rows_are_counted_and_not_ready(make: Make) -> None:
    made = make("a,b\n1\n2\n3\n")
    assert made.outcome.reason == DatasetReason.VALIDATION_FAILED
    assert "no row is accepted, 3 rejected (3 RaggedRow)" in made.outcome.message
    assert made.report["rowsIn"] == 3


def test_rejected_rows_are_named_by_their_number_and_text(make: Make) -> None:
    made = make("a,b\n1,2\n3\n4,5\n6,7,8\n")
    assert [row[:2] for row in made.listed] == [["2", "RaggedRow"], ["4", "RaggedRow"]]
    assert "1 values where the header has 2: 3" in made.listed[0][2]


def test_latin_1_is_read_and_told(make: Make) -> None:
    made = make("name,city\nJosé,Zürich\n".encode("latin-1"))
    assert made.table["city"].to_pylist() == ["Zürich"]
    assert "Windows-1252" in made.findings["encoding"]


def test_semicolons_are_told(make: Make) -> None:
    made = make("a;b\n1;2\n")
    assert "';'" in made.findings["delimiter"]


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
