"""Model servers as a pod runs them: a process, an environment, a port."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support.searches import wait_for
from support.servers import free_port

START_SECONDS = 180
"""Ray takes half a minute on a busy machine."""


@dataclass(frozen=True)
class Reply:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class ModelServer:
    """A running server."""

    port: int
    grpc_port: int
    process: subprocess.Popen[bytes] | None = None

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str) -> Reply:
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", path, content, headers or {})

    def _ask(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Reply:
        connection = self.connect()
        try:
            return ask(connection, method, path, content, headers)
        finally:
            connection.close()

    def metric(self, name: str, labels: str = "") -> float:
        """The value of a metric; 0 for one that is not there yet."""
        lines = self.get("/metrics").content.decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name}{labels} ")), 0.0)


def ask(
    connection: HTTPConnection, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] = {}
) -> Reply:
    """Ask on a connection of one's own."""
    connection.request(method, path, content, dict(headers))
    answer = connection.getresponse()
    return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def an_environment(folder: Path, digest: str, port: int = 0, **changes: str) -> dict[str, str]:
    return {
        **os.environ,
        "AFINA_MODEL": str(folder / "model"),
        "AFINA_MODEL_DIGEST": digest,
        "AFINA_MODEL_DIR": str(folder / "download"),
        "AFINA_MODEL_NAME": "houses",
        "AFINA_MODEL_VERSION": "3",
        "AFINA_REVISION": "mldep-houses-1",
        "AFINA_TERMINATION_LOG": str(folder / "termination"),
        "PORT": str(port),
        "AFINA_GRPC_PORT": "0",
    } | changes


@contextmanager
def a_server(folder: Path, digest: str, **changes: str) -> Iterator[ModelServer]:
    """A server in a process of its own, from when it is ready."""
    port, grpc_port = int(changes.get("PORT") or free_port()), free_port()
    env = an_environment(folder, digest, port, AFINA_GRPC_PORT=str(grpc_port), **changes)
    process = subprocess.Popen([sys.executable, "-m", "afina_serving"], env=env)
    server = ModelServer(port, grpc_port, process)
    try:
        wait_for(lambda: is_ready(server), START_SECONDS)
        yield server
    finally:
        process.kill()
        process.wait()


def is_ready(server: ModelServer) -> bool:
    assert server.process is None or server.process.poll() is None, "it has ended"
    try:
        return server.get("/v2/health/ready").status == 200
    except OSError:
        return False
