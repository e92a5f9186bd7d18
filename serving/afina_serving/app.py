"""The paths of the server: health, metadata, predictions and metrics."""

import asyncio
import logging
import time
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from afina_serving import answers
from afina_serving.binary import HEADER_LENGTH
from afina_serving.errors import RequestError
from afina_serving.inputs import COLUMN_DATATYPES
from afina_serving.lifecycle import Lifecycle
from afina_serving.metrics import CONTENT_TYPE, Metrics
from afina_serving.model import ServedModel
from afina_serving.settings import Limits
from afina_serving.work import Work

_CLIENT_LEFT = 499
"""As nginx has it: nobody is there to read the answer."""

log = logging.getLogger(__name__)


def application(model: ServedModel, limits: Limits, lifecycle: Lifecycle) -> Starlette:
    """The application that serves a model."""
    server = _Endpoints(model, limits, lifecycle)
    named = "/v2/models/{name}"
    # They are tried in turn: what is asked most comes first.
    found = [Route("/predict", server.predict, methods=["POST"])]
    for prefix in (named, f"{named}/versions/{{version}}"):
        found += [
            Route(f"{prefix}/infer", server.infer, methods=["POST"]),
            Route(f"{prefix}/ready", server.model_ready),
            Route(prefix, server.about_model),
        ]
    found += [
        Route("/v2/health/live", server.live),
        Route("/v2/health/ready", server.ready),
        Route("/v2", server.about_server),
        Route("/metrics", server.metrics_text),
    ]
    handlers: dict[Any, Any] = {RequestError: _refused, 404: _not_there, 405: _not_there}
    return Starlette(routes=found, exception_handlers=handlers)


class _Endpoints:
    def __init__(self, model: ServedModel, limits: Limits, lifecycle: Lifecycle) -> None:
        self._model = model
        self._limits = limits
        self._lifecycle = lifecycle
        self._metrics = Metrics(model.identity)
        self._work = Work(limits.max_queue, limits.timeout_seconds)

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        ready = not self._lifecycle.draining
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def about_server(self, _request: Request) -> Response:
        return JSONResponse({"name": "afina", "version": version("afina"), "extensions": ["binary_tensor_data"]})

    async def about_model(self, request: Request) -> Response:
        self._require_model(request)
        inputs = [
            {"name": name, "datatype": COLUMN_DATATYPES.get(kind, "BYTES"), "shape": [-1]}
            for name, kind in self._model.types.items()
        ]
        identity = self._model.identity
        about = {"name": identity.name, "versions": [identity.version], "platform": "afina"}
        return JSONResponse({**about, "inputs": inputs, "outputs": answers.output_metadata(self._model)})

    async def model_ready(self, request: Request) -> Response:
        self._require_model(request)
        ready = not self._lifecycle.draining
        return JSONResponse({"name": self._model.identity.name, "ready": ready}, 200 if ready else 503)

    async def metrics_text(self, _request: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def predict(self, request: Request) -> Response:
        return await self._counted(request, answers.predict)

    async def infer(self, request: Request) -> Response:
        length = request.headers.get(HEADER_LENGTH)
        return await self._counted(request, partial(answers.infer, header_length=length))

    async def _counted(self, request: Request, answering: answers.Answering) -> Response:
        """The answer, or the refusal; either is counted."""
        began = None
        try:
            self._require_model(request)
            body = await self._body(request)
            # How fast the client sends is no latency of the model.
            began = time.perf_counter()
            task = partial(answering, self._model, body)
            answer = task() if self._model.is_quick(body) else await self._work.do(task)
            response = Response(answer.content, headers=answer.headers)
            self._metrics.predicted(answer.bins, answer.uncertainties)
        except RequestError as error:
            response = _refused(request, error)
        except ClientDisconnect:
            response = Response(status_code=_CLIENT_LEFT)
        except Exception:
            log.exception("a prediction failed")
            response = _error(500, "the prediction failed: see the server's log")
        self._metrics.answered(response.status_code, None if began is None else time.perf_counter() - began)
        return response

    def _require_model(self, request: Request) -> None:
        wanted, identity = request.path_params, self._model.identity
        if wanted.get("name", identity.name) != identity.name:
            raise RequestError(404, f"there is no model {wanted['name']!r}: this server has {identity.name!r}")
        if wanted.get("version", identity.version) != identity.version:
            message = f"there is no version {wanted['version']!r}: this server has {identity.version!r}"
            raise RequestError(404, message)

    async def _body(self, request: Request) -> bytes:
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "content-encoding: send the body as it is")
        most, seconds = self._limits.max_body_bytes, self._limits.timeout_seconds
        found, length, late = bytearray(), 0, False
        try:
            async with asyncio.timeout(seconds):
                async for part in request.stream():
                    length += len(part)
                    # The rest of what is too long is read all the same: who still sends does not see an answer.
                    if length <= most:
                        found += part
        except TimeoutError:
            late = True
        if length > most:
            raise RequestError(413, f"the body may have {most} bytes: send fewer rows", {"Connection": "close"})
        if late:
            raise RequestError(408, f"the body did not arrive in {seconds:g} s", {"Connection": "close"})
        return bytes(found)


def _refused(_request: Request, error: RequestError) -> Response:
    return _error(error.status, str(error), error.headers)


def _not_there(request: Request, error: Any) -> Response:
    return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}", error.headers)


def _error(status: int, message: str, headers: Any = None) -> Response:
    return JSONResponse({"error": message}, status, headers)
