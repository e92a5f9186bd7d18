"""Datasets from a real S3 server, over a line that breaks, and from addresses that must not be asked."""

import hashlib
import io
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afina_api.dataset import Dataset
from afina_api.reasons import DatasetReason
from afina_jobs.dataset.build import Outcome, Place, fetch
from afina_jobs.dataset.sources import addresses, s3
from afina_jobs.dataset.sources.addresses import AllowList
from support.s3 import KEYS, S3Server
from support.servers import free_port
from support.sources import ROWS, dataset, long_csv, made, measured
from support.web import Line, WebServer, body, status

pytestmark = pytest.mark.integration

BUCKET = "lake"
LOCAL = ("127.0.0.1",)
"""The list of an installation whose S3 server is on this machine."""
IMAGES = {"images": {"minWidth": 32, "minHeight": 32, "minQuality": 0, "rejectDuplicates": False}}
PAGE = "<!doctype html><html></html>"
_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>{}</Message></Error>'
OTHER_REGION = _ERROR.format("AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-1'")
ARCHIVED = _ERROR.format("InvalidObjectState", "The operation is not valid for the object's storage class")
EXPIRED = _ERROR.format("ExpiredToken", "The token has expired")

Read = Callable[..., Outcome]


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> Path:
    """The folder of a private bucket with a few objects."""
    s3_server.client().create_bucket(Bucket=BUCKET)
    folder = s3_server.buckets / BUCKET
    (folder / "tables").mkdir()
    (folder / "tables" / "a.csv").write_text(ROWS)
    (folder / "photos" / "more").mkdir(parents=True)
    names = [f"photos/{number}.png" for number in range(6)] + ["photos/more/é +%.png"]
    for number, name in enumerate(names):
        (folder / name).write_bytes(_image(number))
    labels = "".join(f"{name.removeprefix('photos/')},{number % 2}\n" for number, name in enumerate(names))
    (folder / "photos" / "labels.csv").write_text("file,label\n" + labels)
    (folder / "photos-of-others.csv").write_text("file,label\n")
    return folder


@pytest.fixture
def read(s3_server: S3Server, bucket: Path, tmp_path: Path, pauses: list[float]) -> Read:
    """Makes a Dataset of an object."""

    def reading(
        key: str = "tables/a.csv",
        format_: str = "CSV",
        env: dict[str, str] = KEYS,
        allowed: tuple[str, ...] = LOCAL,
        spec: dict[str, Any] | None = None,
        **source: str,
    ) -> Outcome:
        place = {"bucket": BUCKET, "key": key, "endpointUrl": s3_server.url} | source
        return made(tmp_path, dataset({"s3": place}, format_, **(spec or {})), allowed, env)

    return reading


@pytest.fixture
def line(s3_server: S3Server) -> Iterator[Line]:
    with Line(s3_server.host).open() as found:
        yield found


def test_reads_an_object(read: Read) -> None:
    found = read()
    assert (found.reason, found.status.rows, found.status.bytes) == (DatasetReason.ACCEPTED, 3, len(ROWS))
    of_file = hashlib.sha256(ROWS.encode()).digest()
    assert found.status.digest == f"sha256:{hashlib.sha256(of_file).hexdigest()}"


def test_reads_all_images_below_a_prefix(read: Read, tmp_path: Path) -> None:
    found = read("photos", "Images", spec=IMAGES)
    assert (found.reason, found.status.rows) == (DatasetReason.ACCEPTED, 7), found.message
    assert (tmp_path / "volume" / "images" / "more" / "é +%.png").read_bytes() == _image(6)


def test_a_slash_at_the_end_of_a_prefix_changes_nothing(read: Read) -> None:
    assert read("photos/", "Images", spec=IMAGES).status.digest == read("photos", "Images", spec=IMAGES).status.digest


def test_reads_a_prefix_of_many_pages(s3_server: S3Server, bucket: Path, tmp_path: Path) -> None:
    (bucket / "many").mkdir()
    for number in range(1_001):
        (bucket / "many" / f"{number}.txt").write_text(str(number))
    found = _fetch(tmp_path, s3_server, "many")
    hashes = sorted(hashlib.sha256(str(number).encode()).digest() for number in range(1_001))
    assert found.digest == f"sha256:{hashlib.sha256(b''.join(hashes)).hexdigest()}"


def test_reads_a_public_bucket_without_keys(s3_server: S3Server, read: Read) -> None:
    s3_server.client().create_bucket(Bucket="public")
    (s3_server.buckets / "public" / "a.csv").write_text(ROWS)
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::public/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    s3_server.client().put_bucket_policy(Bucket="public", Policy=policy)
    assert read("a.csv", bucket="public", env={}).reason == DatasetReason.ACCEPTED


WRONG: dict[str, tuple[dict[str, Any], DatasetReason, str]] = {
    "key": ({"key": "tables/b.csv"}, DatasetReason.SOURCE_UNAVAILABLE, "is not there (NoSuchKey): check bucket, key"),
    "prefix": (
        {"key": "pictures", "format_": "Images"},
        DatasetReason.SOURCE_UNAVAILABLE,
        "there is no object below s3://lake/pictures/: check spec.source.s3.key",
    ),
    "bucket": ({"bucket": "sea"}, DatasetReason.SOURCE_UNAVAILABLE, "is not there (NoSuchBucket): check bucket"),
    "bucket of images": (
        {"bucket": "sea", "format_": "Images"},
        DatasetReason.SOURCE_UNAVAILABLE,
        "is not there (NoSuchBucket)",
    ),
    "name of a bucket": ({"bucket": "a..b"}, DatasetReason.SOURCE_UNAVAILABLE, "(NoSuchBucket): check bucket"),
    "secret key": (
        {"env": KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"}},
        DatasetReason.SOURCE_NOT_ALLOWED,
        "may not be read (SignatureDoesNotMatch): check the keys in secretRef",
    ),
    "access key": (
        {"env": KEYS | {"AWS_ACCESS_KEY_ID": "nobody"}},
        DatasetReason.SOURCE_NOT_ALLOWED,
        "may not be read (XAdminUserNotFound): check the keys in secretRef",
    ),
    "access key of images": (
        {"env": KEYS | {"AWS_ACCESS_KEY_ID": "nobody"}, "format_": "Images", "key": "photos"},
        DatasetReason.SOURCE_NOT_ALLOWED,
        "(XAdminUserNotFound)",
    ),
    "no keys": ({"env": {}}, DatasetReason.SOURCE_NOT_ALLOWED, "may not be read (AccessDenied): check the keys"),
    "name of a region": ({"region": "-"}, DatasetReason.INVALID_SPEC, "check spec.source.s3"),
    "port": ({"endpointUrl": "http://127.0.0.1:99999"}, DatasetReason.SOURCE_NOT_ALLOWED, "host or port is none"),
    "host": ({"endpointUrl": "http://[x"}, DatasetReason.SOURCE_NOT_ALLOWED, "host or port is none"),
    "letters of a host": ({"endpointUrl": "http://s3_one:7070"}, DatasetReason.SOURCE_UNAVAILABLE, "s3_one"),
}


@pytest.mark.parametrize("what", WRONG)
def test_says_what_is_wrong(what: str, read: Read) -> None:
    changes, reason, words = WRONG[what]
    found = read(**changes)
    assert found.reason == reason, found.message
    assert words in found.message
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in found.message


INSIDE = ["http://127.0.0.1:1", "http://localhost:1", "http://169.254.169.254", "http://[::1]:1", "http://0.0.0.0:1"]


@pytest.mark.parametrize("endpoint", INSIDE)
def test_refuses_an_endpoint_inside(endpoint: str, read: Read, pauses: list[float]) -> None:
    found = read(endpointUrl=endpoint, allowed=("data.example",))
    assert found.reason == DatasetReason.SOURCE_NOT_ALLOWED
    assert "may not be read" in found.message
    assert pauses == []


def test_asks_the_address_that_was_checked_though_the_name_means_another_now(
    read: Read, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(s3_server.host.rpartition(":")[2])
    monkeypatch.setattr(addresses, "is_internal", lambda address: address == "127.0.0.2")
    look_up = socket.getaddrinfo
    meant = itertools.chain(["127.0.0.1"], itertools.repeat("127.0.0.2"))

    def rebound(host: Any, *arguments: Any, **options: Any) -> Any:
        return look_up(next(meant) if host == "data.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with WebServer("127.0.0.2", port).serving() as inside:
        found = read(endpointUrl=f"http://data.example:{port}", allowed=())
    assert (found.reason, inside.asked) == (DatasetReason.ACCEPTED, [])


def test_gives_up_a_server_that_is_not_there(read: Read, pauses: list[float]) -> None:
    found = read(endpointUrl=f"http://127.0.0.1:{free_port()}")
    assert found.reason == DatasetReason.SOURCE_UNAVAILABLE
    assert "Could not connect to the endpoint URL" in found.message
    assert {1, 2, 4, 8} <= set(pauses)


OTHER_SERVERS = {
    "a table on one that is no S3": ("CSV", 200, PAGE, DatasetReason.UNREADABLE_DATA, "is a page of HTML"),
    "images on one that is no S3": ("Images", 200, PAGE, DatasetReason.SOURCE_UNAVAILABLE, "s3://lake/tables/a.csv"),
    "not there on one that is no S3": ("CSV", 404, PAGE, DatasetReason.SOURCE_UNAVAILABLE, "is not there (404)"),
    "another region": ("CSV", 400, OTHER_REGION, DatasetReason.SOURCE_UNAVAILABLE, "expecting 'eu-west-1'; check"),
    "in an archive": ("CSV", 403, ARCHIVED, DatasetReason.SOURCE_NOT_ALLOWED, "(InvalidObjectState)"),
    "an old token": ("CSV", 400, EXPIRED, DatasetReason.SOURCE_UNAVAILABLE, "ExpiredToken: The token has expired"),
}


@pytest.mark.parametrize("what", OTHER_SERVERS)
def test_says_what_is_wrong_with_other_servers(what: str, read: Read) -> None:
    format_, code, content, reason, words = OTHER_SERVERS[what]
    with WebServer().serving() as web:
        web.answers |= dict.fromkeys(("/lake", "/lake/tables/a.csv"), body(content.encode(), code=code))
        found = read(format_=format_, endpointUrl=web.url)
    assert found.reason == reason, found.message
    assert words in found.message


def test_tries_a_busy_server_again(read: Read, pauses: list[float]) -> None:
    with WebServer().serving() as web:
        answers = itertools.chain([status(503)] * 4, itertools.repeat(body(ROWS.encode())))
        web.answers["/lake/tables/a.csv"] = lambda request: next(answers)(request)
        found = read(endpointUrl=web.url)
    assert (found.reason, found.status.rows) == (DatasetReason.ACCEPTED, 3)
    assert pauses


@pytest.mark.parametrize("cut", [1, 200, 100_000], ids=lambda cut: f"after {cut} bytes")
def test_reads_an_object_whose_line_breaks(cut: int, line: Line, bucket: Path, read: Read) -> None:
    (bucket / "tables" / "long.csv").write_bytes(b"".join(long_csv(1)))
    whole = read("tables/long.csv")
    line.cut_after = [cut] * 2
    found = read("tables/long.csv", endpointUrl=line.url)
    assert (found.reason, found.status.digest) == (DatasetReason.ACCEPTED, whole.status.digest), found.message
    assert line.connections == 3


def test_gives_up_an_object_that_is_always_cut_off(line: Line, bucket: Path, read: Read) -> None:
    (bucket / "tables" / "long.csv").write_bytes(b"".join(long_csv(1)))
    line.cut_after = [100_000] * 99
    found = read("tables/long.csv", endpointUrl=line.url)
    assert (found.reason, line.connections) == (DatasetReason.SOURCE_UNAVAILABLE, 5)
    assert "s3://lake/tables/long.csv" in found.message
    assert "tried several times" in found.message


@pytest.mark.parametrize("dumb", [0, 1, 50_000], ids=lambda dumb: f"after {dumb} bytes")
def test_gives_up_a_server_that_falls_silent(
    dumb: int, line: Line, bucket: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_TIMEOUT_SECONDS", 0.1)
    (bucket / "tables" / "long.csv").write_bytes(b"".join(long_csv(1)))
    line.dumb_after = [dumb] * 99
    found = read("tables/long.csv", endpointUrl=line.url)
    assert found.reason == DatasetReason.SOURCE_UNAVAILABLE
    assert "timeout" in found.message.lower()


def test_waits_for_a_slow_server(line: Line, bucket: Path, read: Read) -> None:
    (bucket / "tables" / "long.csv").write_bytes(b"".join(long_csv(1)))
    line.pause_seconds = 0.01
    assert read("tables/long.csv", endpointUrl=line.url).reason == DatasetReason.ACCEPTED


def test_an_object_that_is_gone_when_its_turn_comes(
    bucket: Path, s3_server: S3Server, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bucket / "fleeting").mkdir()
    for name in ("a.png", "b.png", "labels.csv"):
        (bucket / "fleeting" / name).write_bytes(_image(1))
    _after_listing(monkeypatch, (bucket / "fleeting" / "b.png").unlink)
    found = read("fleeting", "Images", spec=IMAGES)
    assert found.reason == DatasetReason.SOURCE_UNAVAILABLE
    assert "s3://lake/fleeting/b.png is not there (NoSuchKey)" in found.message


def test_an_object_that_changes_before_its_turn_comes_is_hashed_as_it_was_read(
    bucket: Path, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bucket / "changing").mkdir()
    (bucket / "changing" / "a.txt").write_text("before")
    _after_listing(monkeypatch, lambda: (bucket / "changing" / "a.txt").write_text("after that"))
    found = _fetch(tmp_path, s3_server, "changing")
    assert (found.path / "a.txt").read_text() == "after that"
    assert found.bytes == len("after that")
    of_file = hashlib.sha256(b"after that").digest()
    assert found.digest == f"sha256:{hashlib.sha256(of_file).hexdigest()}"


def test_a_large_object_needs_little_memory(bucket: Path, s3_server: S3Server, tmp_path: Path) -> None:
    with (bucket / "tables" / "large.csv").open("wb") as stream:
        stream.writelines(long_csv(300))
    place = {"bucket": BUCKET, "endpointUrl": s3_server.url}
    cases = [(tmp_path, dataset({"s3": place | {"key": f"tables/{name}.csv"}})) for name in ("a", "large")]
    small, large = measured(cases, LOCAL, KEYS, fetch_only=True)
    (bucket / "tables" / "large.csv").unlink()
    assert int(large.reason) > 290 * 10**6
    assert large.peak_mib - small.peak_mib < 30


def _fetch(folder: Path, server: S3Server, key: str) -> Any:
    source = {"s3": {"bucket": BUCKET, "key": key, "endpointUrl": server.url}}
    place = Place(None, folder / "volume", folder / "workspace", AllowList(LOCAL), KEYS)
    return fetch(Dataset.model_validate(dataset(source, "Images")), place)


def _after_listing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something between the listing and the first object."""
    listing = s3._list

    def listed(*arguments: Any) -> Any:
        found = listing(*arguments)
        act()
        return found

    monkeypatch.setattr(s3, "_list", listed)


def _image(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
