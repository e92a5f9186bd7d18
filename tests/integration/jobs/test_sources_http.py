"""Datasets from a real web server, which misbehaves as servers do, and which may lead elsewhere."""

import gzip
import itertools
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from urllib3 import Timeout

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.build import Outcome
from afina_jobs.dataset.sources import addresses, base, http
from support.servers import free_port
from support.sources import ROWS, dataset, long_csv, made, measured
from support.web import WebServer, body, pieces, redirect, status

pytestmark = pytest.mark.integration

Read = Callable[..., Outcome]


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer().serving() as server:
        yield server


@pytest.fixture
def read(web: WebServer, tmp_path: Path, pauses: list[float]) -> Read:
    """Makes a Dataset of a path of the server, which is on the list, or of any URL."""

    def reading(path: str = "/a.csv", format_: str = "CSV", allowed: tuple[str, ...] = ()) -> Outcome:
        url = path if "://" in path else web.url + path
        return made(tmp_path, dataset({"http": {"url": url}}, format_), [web.host, *allowed])

    return reading


def test_reads_a_file_once(web: WebServer, read: Read) -> None:
    web.answers["/a.csv"] = body(ROWS.encode())
    found = read("/a.csv?token=secret")
    assert (found.reason, found.status.rows) == (DatasetReason.ACCEPTED, 3)
    assert found.status.bytes == len(ROWS)
    assert web.asked == ["/a.csv?token=secret"]
    assert web.hosts == [web.host]


def test_reads_a_body_in_chunks(web: WebServer, read: Read) -> None:
    web.answers["/a.csv"] = pieces(iter([b"a,b\n1,", b"2\n", b"3,4\n"]))
    assert read().status.rows == 2


def test_reads_what_a_server_compresses_unasked(web: WebServer, read: Read) -> None:
    web.answers["/a.csv"] = body(gzip.compress(ROWS.encode()), headers={"Content-Encoding": "gzip"})
    assert read().status.rows == 3


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_follows_redirects_on_the_list(code: int, web: WebServer, read: Read) -> None:
    web.answers |= {"/old": redirect("/new", code), "/new": redirect(f"{web.url}/a.csv", code)}
    web.answers["/a.csv"] = body(ROWS.encode())
    assert read("/old").status.rows == 3


ELSEWHERE = {
    "another host": "http://evil.example/a.csv",
    "another port": "http://127.0.0.1:1/a.csv",
    "this machine under another name": "http://127.0.0.2/a.csv",
    "a metadata service": "http://169.254.169.254/latest/meta-data/",
    "a metadata service by IPv6": "http://[fd00:ec2::254]/latest/meta-data/",
    "a file": "file:///etc/passwd",
    "another scheme": "gopher://127.0.0.1/1",
    "a password": "http://user:password@127.0.0.1/",
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_does_not_follow_a_redirect_elsewhere(what: str, web: WebServer, read: Read, pauses: list[float]) -> None:
    web.answers["/a.csv"] = redirect(ELSEWHERE[what])
    found = read()
    assert found.reason == DatasetReason.SOURCE_NOT_ALLOWED, found.message
    assert (len(web.asked), pauses) == (1, [])


def test_refuses_an_allowed_name_that_leads_inside(web: WebServer, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve(monkeypatch, {"inside.example": itertools.repeat("169.254.169.254")})
    web.answers["/a.csv"] = redirect("http://inside.example/latest/meta-data/")
    found = read(allowed=("inside.example",))
    assert found.reason == DatasetReason.SOURCE_NOT_ALLOWED
    assert "inside.example is 169.254.169.254" in found.message


def test_asks_the_address_that_was_checked_though_the_name_means_another_now(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(addresses, "is_internal", lambda address: address == "127.0.0.2")
    _resolve(monkeypatch, {"data.example": itertools.chain(["127.0.0.1"], itertools.repeat("127.0.0.2"))})
    with WebServer("127.0.0.1", port).serving() as good, WebServer("127.0.0.2", port).serving() as inside:
        good.answers["/a.csv"] = body(ROWS.encode())
        found = read(f"http://data.example:{port}/a.csv", allowed=(f"data.example:{port}",))
    assert found.status.rows == 3
    assert (good.hosts, inside.asked) == ([f"data.example:{port}"], [])


def test_says_that_a_host_is_not_on_the_list(read: Read, web: WebServer) -> None:
    found = read("http://data.example/a.csv")
    assert found.reason == DatasetReason.SOURCE_NOT_ALLOWED
    assert found.message.startswith("data.example:80 is not on ")
    assert f"({web.host})" in found.message
    assert "datasets.allowedHosts" in found.message


REFUSED = {
    "a loop": (redirect("/a.csv"), DatasetReason.SOURCE_UNAVAILABLE, "over 5 redirects: give the last URL", 6),
    "a redirect to no URL": (redirect("http://[x"), DatasetReason.SOURCE_UNAVAILABLE, "redirects to what is no URL", 1),
    "a redirect to nowhere": (status(302), DatasetReason.SOURCE_UNAVAILABLE, "302 Found: check", 1),
    "not there": (status(404), DatasetReason.SOURCE_UNAVAILABLE, "404 Not Found: check spec.source.http.url", 1),
    "not for everybody": (status(403), DatasetReason.SOURCE_NOT_ALLOWED, "403 Forbidden: check", 1),
    "no password": (status(401), DatasetReason.SOURCE_NOT_ALLOWED, "401 Unauthorized: check", 1),
    "a part": (status(206), DatasetReason.SOURCE_UNAVAILABLE, "206 Partial Content: check", 1),
    "a page to log in": (
        body(b"\n<!DOCTYPE html>\n<html><body>Log in, please</body></html>\n"),
        DatasetReason.UNREADABLE_DATA,
        "a page of HTML: is it the address of the file itself?",
        1,
    ),
    "broken for good": (status(500), DatasetReason.SOURCE_UNAVAILABLE, "answers 500 Internal Server", 5),
    "too much asked": (status(429), DatasetReason.SOURCE_UNAVAILABLE, "answers 429", 5),
    "less than was promised": (
        body(ROWS.encode(), length=1000),
        DatasetReason.SOURCE_UNAVAILABLE,
        "IncompleteRead",
        5,
    ),
    "chunks that end early": (
        lambda request: _raw(request, b"Transfer-Encoding: chunked\r\n\r\n5\r\na,b\n1\r\n5\r\n"),
        DatasetReason.SOURCE_UNAVAILABLE,
        "does not answer",
        5,
    ),
    "a length that is no number": (
        lambda request: _raw(request, b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        DatasetReason.SOURCE_UNAVAILABLE,
        "does not answer",
        5,
    ),
    "no HTTP": (lambda request: _write(request, b"220 ftp\r\n"), DatasetReason.SOURCE_UNAVAILABLE, "answer", 5),
    "nothing at all": (lambda request: None, DatasetReason.SOURCE_UNAVAILABLE, "does not answer", 5),
    "headers without an end": (
        lambda request: _raw(request, b"X: y\r\n" * 1000 + b"\r\n"),
        DatasetReason.SOURCE_UNAVAILABLE,
        "does not answer",
        5,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_says_what_is_wrong(what: str, web: WebServer, read: Read, pauses: list[float]) -> None:
    answer, reason, words, asked = REFUSED[what]
    web.answers["/a.csv"] = answer
    found = read()
    assert (found.reason, len(web.asked)) == (reason, asked), found.message
    assert words in found.message
    assert "127.0.0.1" in found.message or "redirects" in found.message
    assert pauses == ([1, 2, 4, 8] if asked == 5 else [])


def test_reads_after_some_failures(web: WebServer, read: Read) -> None:
    answers = iter([status(503), body(b"name,age\nAna", length=99), lambda request: None, body(ROWS.encode())])
    web.answers["/a.csv"] = lambda request: next(answers)(request)
    found = read()
    assert (found.reason, found.status.rows, len(web.asked)) == (DatasetReason.ACCEPTED, 3, 4)


def test_gives_up_a_server_that_is_not_there(read: Read, pauses: list[float]) -> None:
    port = free_port()
    found = read(f"http://127.0.0.1:{port}/a.csv", allowed=(f"127.0.0.1:{port}",))
    assert found.reason == DatasetReason.SOURCE_UNAVAILABLE
    assert "Connection refused" in found.message
    assert "tried several times" in found.message
    assert len(pauses) == 4


@pytest.mark.parametrize("after", [0, 1, 100_000], ids=lambda after: f"after {after} bytes")
def test_gives_up_a_body_that_stalls(after: int, web: WebServer, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_TIMEOUT", Timeout(connect=1, read=0.1))

    def stall(request: BaseHTTPRequestHandler) -> None:
        _raw(request, b"Content-Length: 200000\r\n\r\n" + b"x" * after)
        web.closing.wait()

    web.answers["/a.csv"] = stall
    found = read()
    assert (found.reason, len(web.asked)) == (DatasetReason.SOURCE_UNAVAILABLE, 5)
    assert "timed out" in found.message


def test_gives_up_a_server_that_sends_a_byte_now_and_then(
    web: WebServer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_MAX_SECONDS", 0.3)

    def trickle(request: BaseHTTPRequestHandler) -> None:
        _raw(request, b"Content-Length: 1000000\r\n\r\n")
        while not web.closing.wait(0.05):
            _write(request, b"x")

    web.answers["/a.csv"] = trickle
    found = read()
    assert found.reason == DatasetReason.TOO_LARGE
    assert "bring the file to a volume or S3" in found.message


def test_stops_at_the_limit_of_a_body_without_an_end(
    web: WebServer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MAX_SOURCE_BYTES", 10 * 2**20)
    web.answers["/a.csv"] = pieces(itertools.repeat(b"1,2\n" * 2**16))
    found = read()
    assert found.reason == DatasetReason.TOO_LARGE
    assert "has over 10.0 MiB: split it" in found.message


def test_does_not_begin_with_a_body_that_is_too_large(
    web: WebServer, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MAX_SOURCE_BYTES", 1000)
    web.answers["/a.csv"] = body(b"", length=1001)
    assert read().reason == DatasetReason.TOO_LARGE
    assert not (tmp_path / "workspace" / "source" / "file").exists()


def test_a_large_file_needs_little_memory(web: WebServer, tmp_path: Path) -> None:
    web.answers["/small"] = body(ROWS.encode())
    web.answers["/large"] = pieces(long_csv(300))
    cases = [(tmp_path, dataset({"http": {"url": f"{web.url}/{name}"}})) for name in ("small", "large")]
    small, large = measured(cases, [web.host], fetch_only=True)
    assert int(large.reason) > 290 * 10**6
    assert large.peak_mib - small.peak_mib < 30


def _raw(request: BaseHTTPRequestHandler, rest: bytes) -> None:
    _write(request, b"HTTP/1.1 200 OK\r\n" + rest)


def _write(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.wfile.write(content)
    request.wfile.flush()


def _resolve(monkeypatch: pytest.MonkeyPatch, names: dict[str, Iterator[str]]) -> None:
    """Let names mean addresses, another one at each look-up."""
    look_up = socket.getaddrinfo

    def patched(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        return look_up(next(names[host]) if host in names else host, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", patched)
