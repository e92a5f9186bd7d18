"""A file on a web server. Each redirect is checked as the first URL was, and connections go to the checked address."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError, LocationParseError, SSLError

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError, too_large
from afina_jobs.dataset.sources.addresses import AllowList, Destination
from afina_jobs.dataset.sources.base import CHUNK, Fetched, TemporaryError, save, with_retries

_TIMEOUT = Timeout(connect=10.0, read=60.0)
_MAX_SECONDS = 6 * 3600.0
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_TRY_AGAIN = (408, 425, 429)


def download(url: str, allowed: AllowList, file: Path) -> Fetched:
    """Fetch a file.

    Raises:
        DatasetError: it is not there, not allowed, too large, or the server does not answer.
    """
    return with_retries(lambda: _try(url, allowed, file))


def _try(url: str, allowed: AllowList, file: Path) -> Fetched:
    for _ in range(_MAX_REDIRECTS + 1):
        destination = allowed.destination(url)
        with closing(_pool(destination)) as pool:
            try:
                response = _get(pool, destination)
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    url = _joined(url, location)
                    continue
                _check(response, destination.host)
                return save(_chunks(response), file, _name(destination), _length(response))
            except SSLError as error:
                message = f"the certificate of {destination.host} is not trusted: {error}"
                raise DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, message) from error
            except LocationParseError as error:
                raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, f"the URL cannot be read: {error}") from error
            except HTTPError as error:
                raise TemporaryError(f"{destination.host} does not answer: {error}") from error
    raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, f"over {_MAX_REDIRECTS} redirects: give the last URL")


def _pool(to: Destination) -> HTTPConnectionPool:
    """Connections to the address that was checked, under the name that it was found by."""
    if to.url.scheme == "https":
        return HTTPSConnectionPool(to.address, to.port, server_hostname=to.host, assert_hostname=to.host)
    return HTTPConnectionPool(to.address, to.port)


def _get(pool: HTTPConnectionPool, to: Destination) -> BaseHTTPResponse:
    path = (to.url.path or "/") + (f"?{to.url.query}" if to.url.query else "")
    headers = {"Host": to.url.netloc, "User-Agent": "afina", "Accept-Encoding": "identity"}
    return pool.request(
        "GET", path, headers=headers, redirect=False, retries=False, timeout=_TIMEOUT, preload_content=False
    )


def _check(response: BaseHTTPResponse, host: str) -> None:
    status = response.status
    if status == 200:
        return
    message = f"{host} answers {status} {response.reason or ''}".strip()
    if status >= 500 or status in _TRY_AGAIN:
        raise TemporaryError(message)
    reason = DatasetReason.SOURCE_NOT_ALLOWED if status in (401, 403) else DatasetReason.SOURCE_UNAVAILABLE
    raise DatasetError(reason, f"{message}: check spec.source.http.url")


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        message = f"{urlsplit(url).netloc} redirects to what is no URL: {error}"
        raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, message) from error


def _chunks(response: BaseHTTPResponse, clock: Callable[[], float] = time.monotonic) -> Iterator[bytes]:
    began = clock()
    # What has come, be it little: a server that sends a byte a minute must not outlast the limit.
    while chunk := response.read1(CHUNK, decode_content=False):
        if clock() - began > _MAX_SECONDS:
            raise too_large(f"the download took over {_MAX_SECONDS / 3600:.0f} hours: bring the file to a volume or S3")
        yield chunk


def _length(response: BaseHTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _name(to: Destination) -> str:
    """The URL without its query, which may hold a secret."""
    return f"{to.url.scheme}://{to.url.netloc}{to.url.path}"
