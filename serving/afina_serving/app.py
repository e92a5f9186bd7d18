"""The paths of the server: health, metadata, predictions and metrics."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from afina_serving import answers, metadata
from afina_serving.answers import Answer, Reading
from afina_serving.binary import HEADER_LENGTH
from afina_serving.errors import CLIENT_LEFT, RequestError
from afina_serving.metrics import CONTENT_TYPE
from afina_serving.openapi import document
from afina_serving.page import HEADERS, page
from afina_serving.service import Service
from afina_serving.settings import Cookie

_COOKIE_SECONDS = 30 * 86_400
WHOLE = "afina.whole"
"""In the scope of a request whose body is there already: no clock is needed to wait for it."""


class Application:
    """Serves a model. What is asked most goes past Starlette's layers, which take as long as a small model."""

    def __init__(self, service: Service, cookie: Cookie | None = None) -> None:
        """Serve.

        Args:
            service: answers.
            cookie: given to clients that have none.
        """
        server = _Endpoints(service, cookie)
        self._all = Starlette(routes=_routes(server), exception_handlers=_HANDLERS)
        self._shortcuts = {"/predict": server.predict, f"/v2/models/{service.model.identity.name}/infer": server.infer}

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Every path."""
        return self._all.routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        endpoint = self._shortcuts.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is None:
            await self._all(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await endpoint(request)
        except RequestError as error:
            answer = _refused(request, error)
        await answer(scope, receive, send)


def _routes(server: "_Endpoints") -> list[Route]:
    named = "/v2/models/{name}"
    found = [Route("/predict", server.predict, methods=["POST"])]
    for prefix in (named, f"{named}/versions/{{version}}"):
        found += [
            Route(f"{prefix}/infer", server.infer, methods=["POST"]),
            Route(f"{prefix}/ready", server.model_ready),
            Route(prefix, server.about_model),
        ]
    return [
        *found,
        Route("/v2/health/live", server.live),
        Route("/v2/health/ready", server.ready),
        Route("/v2", server.about_server),
        Route("/metrics", server.metrics_text),
        Route("/openapi.json", server.openapi),
        Route("/docs", server.docs),
    ]


class _Endpoints:
    def __init__(self, service: Service, cookie: Cookie | None) -> None:
        self._service = service
        self._cookie = cookie
        self._document = document(service.model)

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        return self._readiness({})

    async def about_server(self, _request: Request) -> Response:
        return JSONResponse(metadata.about_server())

    async def about_model(self, request: Request) -> Response:
        self._require_model(request)
        return JSONResponse(metadata.about_model(self._service.model))

    async def model_ready(self, request: Request) -> Response:
        self._require_model(request)
        return self._readiness({"name": self._service.model.identity.name})

    async def metrics_text(self, _request: Request) -> Response:
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE)

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(self._document)

    async def docs(self, _request: Request) -> Response:
        return HTMLResponse(page(self._document), headers=HEADERS)

    async def predict(self, request: Request) -> Response:
        kind = _header(request, "content-type").partition(";")[0].strip().lower()
        if kind.startswith("image/"):
            reading: Reading = partial(answers.predict_image, content_type=kind)
        else:
            # Rows, whatever the client calls them: curl says that they are a form.
            reading, kind = answers.predict, "application/json"
        answer = await self._service.answer(self._body(request), reading, copied_as=kind)
        return self._answered(request, answer)

    async def infer(self, request: Request) -> Response:
        length = request.headers.get(HEADER_LENGTH)
        reading = partial(answers.infer, header_length=length)
        answer = await self._service.answer(self._named_body(request), reading)
        return self._answered(request, answer)

    def _answered(self, request: Request, answer: Answer) -> Response:
        found = Response(answer.content, headers=answer.headers)
        if self._cookie and self._cookie.name not in request.cookies:
            bucket = f"{random.randrange(100):02}"  # noqa: S311 - no secret
            found.set_cookie(self._cookie.name, bucket, _COOKIE_SECONDS, path=self._cookie.path, httponly=True)
        return found

    def _readiness(self, about: dict[str, Any]) -> Response:
        ready = not self._service.lifecycle.draining
        return JSONResponse({**about, "ready": ready}, 200 if ready else 503)

    def _require_model(self, request: Request) -> None:
        identity, wanted = self._service.model.identity, request.path_params
        metadata.require_model(identity, wanted.get("name", identity.name), wanted.get("version", ""))

    async def _named_body(self, request: Request) -> bytes:
        self._require_model(request)
        return await self._body(request)

    async def _body(self, request: Request) -> bytes:
        if _header(request, "content-encoding") not in ("", "identity"):
            raise RequestError(415, "content-encoding: send the body as it is")
        limits = self._service.limits
        most, seconds = limits.max_body_bytes, limits.timeout_seconds
        found, length, more, late = bytearray(), 0, True, False
        try:
            async with nullcontext() if WHOLE in request.scope else asyncio.timeout(seconds):
                while more:
                    message = await request.receive()
                    if message["type"] == "http.disconnect":
                        raise RequestError(CLIENT_LEFT, "the client has left")
                    part, more = message.get("body", b""), message.get("more_body", False)
                    length += len(part)
                    # The rest of what is too long is read all the same: who still sends does not see an answer.
                    if length <= most:
                        found += part
        except TimeoutError:
            late = True
        if length > most:
            raise RequestError(413, f"the body may have {most} bytes: send less", {"Connection": "close"})
        if late:
            raise RequestError(408, f"the body did not arrive in {seconds:g} s", {"Connection": "close"})
        return bytes(found)


def _header(request: Request, name: str) -> str:
    """Of two of a name, the last."""
    # Not request.headers, which decode and compare all of them in Python.
    return str(dict(request.scope["headers"]).get(name.encode(), b""), "latin-1")


def _refused(_request: Request, error: RequestError) -> Response:
    return _error(error.status, str(error), error.headers)


def _not_there(request: Request, error: Any) -> Response:
    return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}", error.headers)


def _error(status: int, message: str, headers: Any = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


_HANDLERS: dict[Any, Any] = {RequestError: _refused, 404: _not_there, 405: _not_there}
