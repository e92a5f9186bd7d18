"""Bad files: what each holds, and the reason and the words that it is refused with, or what is read of it.

Unit tests give them to the reader, e2e tests to the whole cluster.
"""

import gzip
import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from afina_api.reasons import DatasetReason

CONFIG_MAP_BYTES = 1_000_000
"""So many fit into a ConfigMap."""
UNREADABLE, TOO_LARGE = DatasetReason.UNREADABLE_DATA, DatasetReason.TOO_LARGE


@dataclass(frozen=True)
class Refused:
    """A file of which no Dataset can be made."""

    format: str
    content: Callable[[], bytes]
    reason: DatasetReason
    says: Sequence[str]
    """Parts of the message."""


@dataclass(frozen=True)
class Read:
    """A file that looks bad, and from which rows can be read all the same."""

    format: str
    content: bytes
    rows: int
    rejected: Mapping[str, int]
    """How many rows are left out, by reason."""
    finding: str = ""
    """The rule that tells of it."""


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


def huge_png(side: int = 50_000) -> bytes:
    """A black square that is small as a file and would be gigabytes in memory."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side // 8)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _damaged_page() -> bytes:
    whole = bytearray(_parquet(pa.table({"a": [float(n) for n in range(50_000)]}), write_page_checksum=True))
    whole[200:4_000] = b"\xff" * 3_800
    return bytes(whole)


def _no_text() -> bytes:
    """Bytes that are called text."""
    return _parquet(pa.table({"a": ["good", "bad!"]}), compression="none").replace(b"bad!", b"ba\xff!")


def _no_names() -> bytes:
    return _parquet(pa.table({"name": [1, 2]}), store_schema=False).replace(b"name", b"na\xffe")


def wide_parquet(rows: int, characters: int) -> bytes:
    """One long text that all rows have in common."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * characters]))
    return _parquet(pa.table({"a": text}))


TABLE = _parquet(pa.table({"a": list(range(1000))}))

REFUSED: dict[str, Refused] = {
    "an empty file": Refused("CSV", lambda: b"", UNREADABLE, ["is empty", "it needs rows"]),
    "an empty file of JSON": Refused("JSONLines", lambda: b"", UNREADABLE, ["is empty"]),
    "blank lines only": Refused("CSV", lambda: b"\n\n\r\n", UNREADABLE, ["blank lines only"]),
    "only a header": Refused("CSV", lambda: b"a,b\n", UNREADABLE, ["no rows, only a header"]),
    "a name twice in the header": Refused(
        "CSV",
        lambda: b"a,b,a\n1,2,3\n",
        UNREADABLE,
        ["columns 1 and 3", "'a'", "rename one"],
    ),
    "no name in the header": Refused("CSV", lambda: b"a,,c\n1,2,3\n", UNREADABLE, ["column 2", "name it"]),
    "100,000 columns": Refused(
        "CSV",
        lambda: ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n" + b",".join([b"1"] * 100_000) + b"\n",
        TOO_LARGE,
        ["100,000 columns", "5,000 are allowed"],
    ),
    "100,000 keys": Refused(
        "JSONLines",
        lambda: "\n".join(json.dumps({f"k{n}": 1}) for n in range(100_000)).encode(),
        TOO_LARGE,
        ["over 5,000 different keys"],
    ),
    "a gzip bomb": Refused("CSV", _bomb, TOO_LARGE, ["over 100 times its size", "decompress it yourself"]),
    "gzip that is cut off": Refused(
        "CSV",
        lambda: gzip.compress(ROWS.encode() * 1000)[:-20],
        UNREADABLE,
        ["is cut off", "gzip stream does not end"],
    ),
    "gzip that is damaged": Refused(
        "CSV",
        lambda: gzip.compress(ROWS.encode() * 1000)[:-8] + bytes(8),
        UNREADABLE,
        ["is damaged"],
    ),
    "a quotation mark that is not closed": Refused(
        "CSV",
        lambda: b'a,b\n1,"x\n3,4\n5,6\n',
        UNREADABLE,
        ["never closed", "double it"],
    ),
    "a quotation mark that is not closed, and 40 MB after it": Refused(
        "CSV",
        lambda: b'a,b\n1,"x\n' + b"3,4\n" * 10**7,
        TOO_LARGE,
        ["longer than 16.0 MiB", "never closed"],
    ),
    "an Excel workbook": Refused("CSV", lambda: b"PK\x03\x04" + b"\0" * 99, UNREADABLE, ["Excel", "save"]),
    "Parquet called CSV": Refused("CSV", lambda: TABLE, UNREADABLE, ["a Parquet file", "format: Parquet"]),
    "CSV called Parquet": Refused("Parquet", lambda: ROWS.encode(), UNREADABLE, ["is no Parquet file"]),
    "Parquet that is cut off": Refused(
        "Parquet",
        lambda: TABLE[:-100],
        UNREADABLE,
        ["cut off", "write it again"],
    ),
    "Parquet with a damaged page": Refused("Parquet", _damaged_page, UNREADABLE, ["damaged after row 0"]),
    "Parquet with lists": Refused(
        "Parquet",
        lambda: _parquet(pa.table({"a": [[1, 2], [3]]})),
        UNREADABLE,
        ["column 'a'", "list", "leave it out"],
    ),
    "Parquet with a row of 17 MB": Refused(
        "Parquet",
        lambda: _parquet(pa.table({"a": ["b", "x" * 17 * 2**20]})),
        TOO_LARGE,
        ["row 2", "has 17.0 MiB, and 16.0 MiB are allowed"],
    ),
    "Parquet whose text is none": Refused(
        "Parquet", _no_text, UNREADABLE, ["damaged after row 0", "UTF8", "write it again"]
    ),
    "Parquet whose names are none": Refused("Parquet", _no_names, UNREADABLE, ["is no Parquet file", "utf-8"]),
    "rows of which none fits the header": Refused(
        "CSV", lambda: b"a,b\n1\n2\n3\n", DatasetReason.VALIDATION_FAILED, ["no row is accepted", "3 RaggedRow"]
    ),
    "a page of HTML": Refused(
        "CSV", lambda: b"\n<!DOCTYPE html>\n<html></html>\n", UNREADABLE, ["a page of HTML", "the file itself"]
    ),
    "UTF-16 that ends within a letter": Refused(
        "CSV", lambda: ROWS.encode("utf-16")[:-1], UNREADABLE, ["utf-16", "save it as UTF-8"]
    ),
    "6,000 keys in one object": Refused(
        "JSONLines",
        lambda: json.dumps({f"k{n}": 1 for n in range(6_000)}).encode(),
        TOO_LARGE,
        ["over 5,000 different keys", "values of one key"],
    ),
    "a line of 20 MB, packed": Refused(
        "CSV", lambda: gzip.compress(b"a,b\n1," + b"x" * 20_000_000), TOO_LARGE, ["longer than 16.0 MiB"]
    ),
    "a first line of 20 MB, packed": Refused(
        "CSV", lambda: gzip.compress(b"x" * 20_000_000), TOO_LARGE, ["a line of over 16.0 MiB", "spec.format"]
    ),
    "a file that begins as UTF-16 and is not": Refused(
        "CSV",
        lambda: b"\xff\xfea\0,\0b\0\n\0" + b"\x00\xd8\x00\xd8",
        UNREADABLE,
        ["begins as utf-16", "save it as UTF-8"],
    ),
}


READ: dict[str, Read] = {
    "ragged rows": Read("CSV", b"a,b\n1,2\n3\n4,5,6\n7,8\n", 2, {"RaggedRow": 2}),
    "blank lines between rows": Read("CSV", b"\na,b\n\n1,2\n\n\n3,4\n\n", 2, {}),
    "no end of the last line": Read("CSV", b"a,b\n1,2", 1, {}),
    "line ends of Windows": Read("CSV", b"a,b\r\n1,2\r\n3,4\r\n", 2, {}),
    "UTF-8 with a byte order mark": Read("CSV", b"\xef\xbb\xbf" + ROWS.encode(), 3, {}),
    "UTF-16 with a byte order mark": Read("CSV", ROWS.encode("utf-16"), 3, {}),
    "UTF-16 without one, little end first": Read("CSV", ROWS.encode("utf-16-le"), 3, {}),
    "UTF-16 without one, big end first": Read("CSV", ROWS.encode("utf-16-be"), 3, {}),
    "UTF-32": Read("CSV", ROWS.encode("utf-32"), 3, {}),
    "gzip": Read("CSV", gzip.compress(ROWS.encode()), 3, {}),
    "tabs": Read("TSV", ROWS.replace(",", "\t").encode(), 3, {}),
    "NUL bytes in two values": Read("CSV", b"a,b\nx\0,1\ny,2\nz,\0\n", 1, {"NulByte": 2}),
    "infinite numbers": Read("CSV", b"a\n1\ninf\n-Infinity\n1e999\n2.5\n", 2, {"NotFinite": 3}),
    "all values missing": Read("CSV", b"a,b\n,\nNA,nan\nNULL,\n", 3, {}),
    "one row": Read("CSV", b"a\n1\n", 1, {}),
    "lines that are no JSON": Read(
        "JSONLines",
        b'{"a": 1}\n{"a": \n[1]\n{"a": 1, "a": 2}\n{"a": NaN}\n7\n',
        1,
        {"InvalidJSON": 5},
    ),
    "latin-1": Read("CSV", "name,city\nJosé,Zürich\n".encode("latin-1"), 1, {}, finding="encoding"),
    "mixed types": Read("CSV", b"a\n" + b"1\n" * 99 + b"many\n", 100, {}, finding="a: type"),
    "dates in four formats": Read(
        "CSV", b"day\n2024-02-29\n29.02.2024\n02/29/2024\n29 Feb 2024\n", 4, {}, finding="day: type"
    ),
    "semicolons": Read("CSV", b"a;b\n1;2\n", 1, {}, finding="delimiter"),
    "JSON so deep that Python gives up": Read(
        "JSONLines",
        b'{"a":1}\n{"a":' + b"[" * 100_000 + b"}\n",
        1,
        {"InvalidJSON": 1},
    ),
    "numbers of 10,000 digits": Read("JSONLines", b'{"a": 1' + b"0" * 10_000 + b'}\n{"a": 2}\n', 2, {}),
    "keys that come late": Read("JSONLines", b'{"a": 1}\n{"b": 2}\n\n{"a": 3, "c": {"d": [1]}}\n', 3, {}),
    "Parquet with infinite numbers": Read(
        "Parquet",
        _parquet(pa.table({"a": [1.0, float("inf"), float("nan"), None]})),
        3,
        {"NotFinite": 1},
    ),
    "Parquet with dates of no calendar": Read(
        "Parquet",
        _parquet(pa.table({"a": pa.array([0, 10**18], pa.timestamp("us"))})),
        1,
        {"WrongType": 1},
    ),
}
