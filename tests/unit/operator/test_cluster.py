"""The client: what it sends, and what it makes of the answers. What a real API server answers is tested elsewhere."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from afina_operator import cluster as module
from afina_operator.cluster import HttpCluster
from afina_operator.errors import (
    ClusterError,
    ConflictError,
    FencedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from afina_operator.resources import CONFIG_MAPS, JOBS, TUNING_JOBS, Json, Ref

TARGET = Ref(JOBS, "lab", "tj-a")
SEEN: Json = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "tj-a", "namespace": "lab", "uid": "u1", "resourceVersion": "7"},
}


class Server:
    """Answers everything in the same way, and remembers what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.body = "{}"
        self.pause = 0.0
        self.asked: list[tuple[str, str, Mapping[str, str], Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        content = await request.text()
        query = dict(request.query) | {"Content-Type": request.content_type, "Accept": request.headers["Accept"]}
        self.asked.append((request.method, request.path, query, json.loads(content) if content else None))
        await asyncio.sleep(self.pause)
        return web.Response(status=self.status, text=self.body, content_type="application/json")


class Nobody:
    """Credentials of a server that asks for none."""

    def __init__(self, server: str) -> None:
        self.server = server

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": "Bearer x"}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[HttpCluster]:
    found = HttpCluster(Nobody(server.url), may_write=lambda: True)  # type: ignore[arg-type]
    yield found
    await found.close()


ANSWERS: dict[int, type[ClusterError]] = {
    400: RefusedError,
    401: UnavailableError,
    403: RefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: RefusedError,
    422: RefusedError,
    429: UnavailableError,
    500: UnavailableError,
    503: UnavailableError,
}


@pytest.mark.parametrize("code", ANSWERS)
async def test_an_answer_is_an_error_that_tells_the_server_s_words(
    server: Server, client: HttpCluster, code: int
) -> None:
    server.status, server.body = code, json.dumps({"kind": "Status", "message": "exceeded quota"})
    with pytest.raises(ANSWERS[code], match="exceeded quota"):
        await client.create(SEEN)


async def test_what_is_not_there_is_none(server: Server, client: HttpCluster) -> None:
    server.status = 404
    assert await client.get(TARGET) is None
    assert await client.exists(TARGET) is False
    assert await client.get_all([TARGET, TARGET]) == [None, None]


@pytest.mark.parametrize("body", ["<html>proxy</html>", "", "3", "[1]", '"text"', "null"])
async def test_an_answer_that_is_no_json_object_says_nothing(server: Server, client: HttpCluster, body: str) -> None:
    server.body = body
    with pytest.raises(UnavailableError, match="no JSON object"):
        await client.get(TARGET)


async def test_a_kind_that_is_not_installed_is_not_found(server: Server, client: HttpCluster) -> None:
    server.status, server.body = 404, "404 page not found\n"
    with pytest.raises(NotFoundError, match="does not know that kind"):
        await client.list_metadata(TUNING_JOBS, None)


async def test_a_server_that_never_answers_is_given_up(
    server: Server, client: HttpCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pause = 60
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    hasty = HttpCluster(client._credentials, may_write=lambda: True)
    with pytest.raises(UnavailableError, match="TimeoutError"):
        await hasty.get(TARGET)
    await hasty.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    client = HttpCluster(Nobody("http://127.0.0.1:1"), may_write=lambda: True)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError):
        await client.get(TARGET)
    await client.close()


async def test_without_the_lease_nothing_is_sent(server: Server) -> None:
    client = HttpCluster(Nobody(server.url), may_write=lambda: False)  # type: ignore[arg-type]
    for write in (
        client.create(SEEN),
        client.apply(SEEN),
        client.apply_status(SEEN),
        client.patch(SEEN, {}),
        client.delete(SEEN),
    ):
        with pytest.raises(FencedError):
            await write
    assert server.asked == []
    assert await client.get(TARGET) == {}
    await client.close()


async def test_writes_are_bound_to_what_was_seen(server: Server, client: HttpCluster) -> None:
    await client.patch(SEEN, {"spec": {"suspend": True}})
    await client.delete(SEEN)
    (patch, delete) = server.asked
    assert patch[3] == {"spec": {"suspend": True}, "metadata": {"resourceVersion": "7"}}
    assert delete[3]["preconditions"] == {"uid": "u1", "resourceVersion": "7"}
    assert delete[3]["propagationPolicy"] == "Background"


async def test_applying_is_forced_and_in_our_name(server: Server, client: HttpCluster) -> None:
    await client.apply_status({**SEEN, "apiVersion": TUNING_JOBS.api_version, "kind": "TuningJob"})
    ((method, path, query, _),) = server.asked
    assert (method, path) == ("PATCH", "/apis/afina.dev/v1alpha1/namespaces/lab/tuningjobs/tj-a/status")
    assert (query["fieldManager"], query["force"]) == ("afina-operator", "true")
    assert query["Content-Type"] == "application/apply-patch+yaml"


async def test_lists_without_items_are_empty(server: Server, client: HttpCluster) -> None:
    server.body = json.dumps({"items": None})
    assert await client.find(CONFIG_MAPS, "lab", labels="a=b") == []
    assert await client.list_metadata(TUNING_JOBS, None) == []
    assert server.asked[0][2]["labelSelector"] == "a=b"
    assert server.asked[1][1] == "/apis/afina.dev/v1alpha1/tuningjobs"
    assert "PartialObjectMetadataList" in server.asked[1][2]["Accept"]
