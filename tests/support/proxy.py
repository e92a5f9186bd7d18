"""A proxy before the API server that can break its watches, as networks and servers do."""

import asyncio
import json
import threading
from collections.abc import Coroutine
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from afina_operator.credentials import Credentials

_HOP_BY_HOP = ("Transfer-Encoding", "Content-Length", "Content-Encoding", "Connection", "Keep-Alive")


class Watches(Enum):
    """What happens to watches; all other requests pass."""

    WORK = "work"
    BRING_NOTHING = "stay open, bring bookmarks, and no events"
    EXPIRE = "end with an error 410 in the stream"
    GONE = "are answered with 410"
    FORBIDDEN = "are answered with 403"
    TOO_MANY = "are answered with 429"
    UNAVAILABLE = "are answered with 503"


_EXPIRED = (
    json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}).encode() + b"\n"
)
_CODES = {Watches.GONE: 410, Watches.FORBIDDEN: 403, Watches.TOO_MANY: 429, Watches.UNAVAILABLE: 503}


class Proxy:
    """A plain HTTP server in a thread of its own, in front of the API server that KUBECONFIG names."""

    def __init__(self, folder: Path) -> None:
        self.broken = 0
        """So many watches were broken."""
        self.kubeconfig = folder / "proxied.kubeconfig"
        self._upstream = Credentials()
        self._watches = Watches.WORK
        self._streams: dict[web.StreamResponse, aiohttp.ClientResponse] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._do(self._start())

    def set(self, watches: Watches) -> None:
        """From now on this happens to watches, also to those that are open."""
        self._do(self._set(watches))

    def stop(self) -> None:
        """End it."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._upstream.ssl_context(), limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        content = {
            "clusters": [{"name": "proxied", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "admin", "user": {}}],
            "contexts": [{"name": "proxied", "context": {"cluster": "proxied", "user": "admin"}}],
            "current-context": "proxied",
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    async def _end(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
        # TLS connections close a moment after their session does:
        # https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown
        await asyncio.sleep(0.25)

    async def _set(self, watches: Watches) -> None:
        self._watches = watches
        if watches is Watches.BRING_NOTHING:
            return
        for response, answer in list(self._streams.items()):
            if watches is Watches.EXPIRE:
                await response.write(_EXPIRED)
            answer.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        is_watch = request.query.get("watch") == "true"
        if is_watch and self._watches in _CODES:
            self.broken += 1
            code = _CODES[self._watches]
            return web.json_response({"kind": "Status", "code": code, "message": "by the test"}, status=code)
        headers = {key: request.headers[key] for key in ("Content-Type", "Accept") if key in request.headers}
        async with self._session.request(
            request.method,
            self._upstream.server + request.path_qs,
            data=await request.read() or None,
            headers=headers | dict(self._upstream.headers()),
        ) as answer:
            kept = {key: value for key, value in answer.headers.items() if key not in _HOP_BY_HOP}
            if not is_watch:
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
            return await self._stream(request, answer)

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status)
        await response.prepare(request)
        if self._watches is Watches.EXPIRE:
            self.broken += 1
            await response.write(_EXPIRED)
            return response
        self._streams[response] = answer
        with suppress(aiohttp.ClientError):
            async for line in answer.content:
                if self._watches is not Watches.BRING_NOTHING or json.loads(line)["type"] == "BOOKMARK":
                    await response.write(line)
        del self._streams[response]
        return response
