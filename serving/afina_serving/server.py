"""Uvicorn, and gRPC beside it, which end without losing a request; and which do not wait for those who dawdle."""

import asyncio
import gc
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from afina_api.serving import REVISION_HEADER
from afina_serving.app import WHOLE, Application
from afina_serving.grpc_server import GrpcServer
from afina_serving.joined import Joined
from afina_serving.lifecycle import Lifecycle
from afina_serving.service import Service
from afina_serving.settings import Cookie, Settings
from afina_serving.shadow import Shadow

_LINGER_SECONDS = 3.0
"""Told to end, it takes new requests for so long: a gateway sends them until it has seen that this is not ready."""
_DRAIN_SECONDS = 20
"""Then what was begun may take so long."""
_HEADER_SECONDS = 10.0
"""The headers of a request must come within."""
_MAX_HEADER_BYTES = 65_536
"""Of a request whose headers have not come to their end."""
_KEEP_ALIVE_SECONDS = 120
"""Longer than gateways keep idle connections (Traefik 90 s): whoever closes first may lose the other's request."""


class Protocol(HttpToolsProtocol):
    """Closes a connection whose headers do not come, or do not end. Uvicorn itself waits, and reads, for ever."""

    _headers_timer: asyncio.TimerHandle | None = None
    _in_headers = False
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, Joined(transport, self.loop)))
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._headers_timer is None:
            self._wait_for_headers()
        self._header_bytes += len(data)
        if self._in_headers and self._header_bytes > _MAX_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_headers = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.scope[WHOLE] = True  # type: ignore[literal-required]

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._headers_timer = self.loop.call_later(_HEADER_SECONDS, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None


class Server(uvicorn.Server):
    """Ends in two steps: not ready first, then no new connections."""

    def __init__(self, config: uvicorn.Config, calls: GrpcServer, lifecycle: Lifecycle, shadow: Shadow | None) -> None:
        super().__init__(config)
        self._calls = calls
        self._lifecycle = lifecycle
        self._shadow = shadow
        self._watching: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: Any = None) -> None:
        self._loop = asyncio.get_running_loop()
        await self._calls.start()
        if self._shadow:
            self._watching = asyncio.create_task(self._shadow.watch())
        await super().startup(sockets)

    async def shutdown(self, sockets: Any = None) -> None:
        await asyncio.gather(super().shutdown(sockets), self._calls.stop(_DRAIN_SECONDS))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On the first signal, begin to drain."""
        if self._lifecycle.draining or self._loop is None:
            super().handle_exit(sig, frame)
            return
        self._lifecycle.draining = True
        # Clients with a connection of their own are told to make another, to somebody else.
        self.config.encoded_headers.append((b"connection", b"close"))
        self._loop.call_soon_threadsafe(self._loop.call_later, _LINGER_SECONDS, self._end)

    def _end(self) -> None:
        self.should_exit = True


def serve(service: Service, settings: Settings) -> None:
    """Serve until told to end, and what was begun has been answered."""
    calls = GrpcServer(service, settings.grpc_port)
    configured = configuration(service, settings.port, settings.cookie)
    if service.log:
        service.log.start()
    # What was loaded stays: it need not be looked through again and again for what may be freed.
    gc.collect()
    gc.freeze()
    try:
        Server(configured, calls, service.lifecycle, service.shadow).run()
    finally:
        if service.log:
            service.log.end()


def configuration(service: Service, port: int, cookie: Cookie | None = None) -> uvicorn.Config:
    """How uvicorn is to serve."""
    return uvicorn.Config(
        Application(service, cookie),
        host="0.0.0.0",  # noqa: S104 - of the pod
        port=port,
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        headers=[(REVISION_HEADER, service.model.identity.revision)],
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
