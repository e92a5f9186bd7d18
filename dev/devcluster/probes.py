"""Small questions to a running component: does it answer?"""

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path

_TIMEOUT_SECONDS = 3


def answers(url: str, authority: Path | None = None) -> Callable[[], bool]:
    """A probe that asks for 200 from a URL; an https one is checked against `authority`."""

    def probe() -> bool:
        try:
            context = ssl.create_default_context(cafile=str(authority)) if authority else None
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    return probe


def listens(path: Path) -> Callable[[], bool]:
    """A probe that asks whether somebody listens on a Unix socket."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_TIMEOUT_SECONDS)
            try:
                client.connect(str(path))
            except OSError:
                return False
            return True

    return probe
