"""Archives of images: read as the folder that they hold, whatever the source is, and refused in words when bad."""

import io
import random
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError
from afina_jobs.dataset.limits import EXPANSION_FREE_BYTES, MAX_DIRECTORY_BYTES
from afina_jobs.dataset.sources import archive, http, s3
from afina_jobs.dataset.sources.base import Fetched

from .conftest import Make
from .test_image_features import SMALL, labelled

SOURCE = {"configMap": {"name": "photos", "key": "photos.zip"}}


def packed(folder: Path, method: int = ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w", method) as opened:
        for file in sorted(folder.rglob("*")):
            opened.write(file, file.relative_to(folder))
    return stream.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with four labelled images."""
    labelled(tmp_path / "photos", 4)
    return tmp_path / "photos"


def test_an_archive_is_the_folder_that_it_holds(make: Make, photos: Path, tmp_path: Path) -> None:
    (photos / "more").mkdir()
    (photos / "3.png").rename(photos / "more" / "3.png")
    labels = photos / "labels.csv"
    labels.write_text(labels.read_text().replace("3.png", "more/3.png"))
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    found = []
    for method in (ZIP_STORED, ZIP_DEFLATED):
        (mounted / "photos.zip").write_bytes(packed(photos, method))
        made = make(None, "Images", images=SMALL, source=SOURCE)
        assert made.outcome.reason == DatasetReason.ACCEPTED
        assert made.table["image"].to_pylist() == ["0.png", "1.png", "2.png", "more/3.png"]
        assert (made.volume / "images" / "more" / "3.png").read_bytes() == (photos / "more" / "3.png").read_bytes()
        found.append((made.outcome.status.digest, made.outcome.status.bytes))
    photos.rename(mounted / "source")
    folder = make(None, "Images", images=SMALL).outcome.status
    assert found == [(folder.digest, folder.bytes)] * 2


def test_an_archive_may_lie_on_a_volume(make: Make, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mounted" / "deep").mkdir(parents=True)
    (tmp_path / "mounted" / "deep" / "photos.zip").write_bytes(packed(photos))
    source = {"volume": {"claimRef": {"name": "lake"}, "path": "deep/photos.zip"}}
    assert make(None, "Images", images=SMALL, source=source).rows == 4


def test_s3_and_the_web_are_asked_for_the_file(make: Make, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def saved(folder: Path) -> Fetched:
        (folder / "some").write_bytes(packed(photos))
        return Fetched(folder / "some", "some", "", (folder / "some").stat().st_size)

    def from_s3(_source: object, _env: object, _allowed: object, folder: Path, *, prefix: bool) -> Fetched:
        assert not prefix
        return saved(folder)

    monkeypatch.setattr(s3, "download", from_s3)
    monkeypatch.setattr(http, "download", lambda _url, _allowed, file: saved(file.parent))
    for source in ({"s3": {"bucket": "lake", "key": "a/b.zip"}}, {"http": {"url": "https://a/b.zip?token=c"}}):
        assert make(None, "Images", images=SMALL, source=source).rows == 4


def with_entry(name: str, content: bytes = b"x", mode: int = 0, flags: int = 0, method: int = ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w") as opened:
        entry = ZipInfo(name)
        entry.filename = name  # the class tidies some names up
        entry.external_attr = mode << 16
        entry.compress_type = method
        opened.writestr(entry, content)
        entry.flag_bits |= flags
    return stream.getvalue()


def with_entries(*names: str) -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w") as opened:
        for name in names:
            opened.writestr(ZipInfo(name), "" if name.endswith("/") else "x")
    return stream.getvalue()


def a_bomb() -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w", ZIP_DEFLATED) as opened, opened.open("zeros.png", "w", force_zip64=True) as entry:
        for _ in range(2 * EXPANSION_FREE_BYTES // 2**20):
            entry.write(bytes(2**20))
    return stream.getvalue()


def a_lying_bomb() -> bytes:
    """One that promises ten bytes in its list of entries."""
    content = a_bomb()
    listed = content.rindex(b"PK\x01\x02")
    return content[: listed + 24] + struct.pack("<I", 10) + content[listed + 28 :]


def with_many_entries() -> bytes:
    """A list of entries that is longer than may be, of entries that are not there."""
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 4) + bytes(16) + b"name"
    listed = entry * (MAX_DIRECTORY_BYTES // len(entry) + 1)
    return listed + b"PK\x05\x06" + bytes(4) + struct.pack("<HHIIH", 0xFFFE, 0xFFFE, len(listed), 0, 0)


GOOD = with_entries("a.png", "labels.csv")
BAD: dict[str, tuple[Callable[[], bytes], DatasetReason, str]] = {
    "no archive": (lambda: b"file,label\n", DatasetReason.UNREADABLE_DATA, "is no ZIP archive"),
    "empty": (lambda: b"", DatasetReason.UNREADABLE_DATA, "is no ZIP archive"),
    "cut off": (lambda: GOOD[:-30], DatasetReason.UNREADABLE_DATA, "damaged or cut off"),
    "begins too late": (lambda: GOOD[20:], DatasetReason.UNREADABLE_DATA, "damaged or cut off"),
    "one byte flipped": (lambda: GOOD.replace(b"a.pngx", b"a.pngy"), DatasetReason.UNREADABLE_DATA, "Bad CRC-32"),
    "no labels": (lambda: with_entries("a.png"), DatasetReason.SOURCE_UNAVAILABLE, "has no file 'labels.csv'"),
    "no entries": (lambda: with_entries(), DatasetReason.SOURCE_UNAVAILABLE, "has no file 'labels.csv'"),
    "bomb": (a_bomb, DatasetReason.TOO_LARGE, "expands to over 100 times its size"),
    "bomb that lies": (a_lying_bomb, DatasetReason.UNREADABLE_DATA, "Bad CRC-32"),
    "too many entries": (with_many_entries, DatasetReason.TOO_LARGE, "the list of entries of"),
    "climbs out": (lambda: with_entry("a/../../b"), DatasetReason.UNREADABLE_DATA, "'a/../../b' in photos.zip of"),
    "absolute": (lambda: with_entry("/etc/passwd"), DatasetReason.UNREADABLE_DATA, "is no path of a file"),
    "climbs as on Windows": (lambda: with_entry("..\\b"), DatasetReason.UNREADABLE_DATA, "is no path of a file"),
    "no name": (lambda: with_entry("."), DatasetReason.UNREADABLE_DATA, "is no path of a file"),
    "long name": (lambda: with_entry("a" * 300), DatasetReason.UNREADABLE_DATA, "it is too long; rename it"),
    "deep": (lambda: with_entry("a/" * 1_900 + "b"), DatasetReason.UNREADABLE_DATA, "more than 100 folders deep"),
    "name twice": (lambda: with_entries("a/b", "a//b"), DatasetReason.UNREADABLE_DATA, "it is there twice"),
    "file and folder": (lambda: with_entries("a", "a/b"), DatasetReason.UNREADABLE_DATA, "'a/b' in photos.zip"),
    "folder and file": (lambda: with_entries("a/b", "a"), DatasetReason.UNREADABLE_DATA, "'a' in photos.zip"),
    "link": (
        lambda: with_entry("a", b"/etc/passwd", stat.S_IFLNK | 0o777),
        DatasetReason.UNREADABLE_DATA,
        "'a' in photos.zip of ConfigMap photos is a link or a device",
    ),
    "device": (lambda: with_entry("a", mode=stat.S_IFCHR), DatasetReason.UNREADABLE_DATA, "is a link or a device"),
    "encrypted": (lambda: with_entry("a", flags=1), DatasetReason.UNREADABLE_DATA, "is encrypted: pack it without"),
    "another method": (lambda: with_entry("a", method=ZIP_BZIP2), DatasetReason.UNREADABLE_DATA, "by deflate"),
}


@pytest.mark.parametrize(("content", "reason", "message"), BAD.values(), ids=BAD)
def test_bad_archives_are_refused(
    content: Callable[[], bytes], reason: DatasetReason, message: str, make: Make, tmp_path: Path
) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "photos.zip").write_bytes(content())
    made = make(None, "Images", images=SMALL, source=SOURCE)
    assert (made.outcome.reason, message in made.outcome.message) == (reason, True), made.outcome.message
    assert {path.name for path in tmp_path.iterdir()} <= {"mounted", "volume", "workspace"}
    assert {path.name for path in (tmp_path / "workspace").iterdir()} <= {"source", "unpacked"}


def test_no_damage_is_taken_for_a_crash(tmp_path: Path, photos: Path) -> None:
    whole = packed(photos)
    chance = random.Random(0)
    ends = [0, len(whole) - 400]
    refused = 0
    for attempt in range(400):
        content = bytearray(whole)
        for _ in range(3):
            content[ends[attempt % 2] + chance.randrange(400)] = chance.randrange(256)
        file = tmp_path / "some.zip"
        file.write_bytes(content)
        target = tmp_path / f"unpacked{attempt}"
        target.mkdir()
        try:
            archive.unpack(Fetched(file, "some.zip", "", len(content)), target)
        except DatasetError:
            refused += 1
    assert refused > 200
