"""The Open Inference Protocol by gRPC: on a port of its own, with the same model, queue, limits and counters."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as messages

from afina_api.serving import REQUEST_HEADER, REVISION_HEADER
from afina_serving import calls, metadata
from afina_serving.answers import Answer
from afina_serving.errors import RequestError
from afina_serving.service import Service

_SERVICE = "inference.GRPCInferenceService"
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""What the HTTP statuses of errors are called here."""

Call = Callable[[Any], Awaitable[Any]]


class GrpcServer:
    """Serves the calls of one model."""

    def __init__(self, service: Service, port: int) -> None:
        self._service = service
        self._port = port

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: the port is taken.
        """
        options = [
            ("grpc.max_receive_message_length", self._service.limits.max_body_bytes),
            # A second server at the same port would get half of the requests.
            ("grpc.so_reuseport", 0),
            # Small messages may be large when they are unpacked: they are taken as they are, bit 0.
            ("grpc.compression_enabled_algorithms_bitset", 1),
        ]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._server.add_insecure_port(f"0.0.0.0:{self._port}")
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and give those that were begun so long."""
        await self._server.stop(seconds)

    def _handlers(self) -> grpc.GenericRpcHandler:
        known = {
            "ServerLive": (self._live, messages.ServerLiveRequest),
            "ServerReady": (self._ready, messages.ServerReadyRequest),
            "ModelReady": (self._model_ready, messages.ModelReadyRequest),
            "ServerMetadata": (self._about_server, messages.ServerMetadataRequest),
            "ModelMetadata": (self._about_model, messages.ModelMetadataRequest),
        }
        found = {
            name: grpc.unary_unary_rpc_method_handler(
                self._refusing(call), kind.FromString, lambda message: message.SerializeToString()
            )
            for name, (call, kind) in known.items()
        }
        # Read where the model predicts: a long message must not hold up the others.
        found["ModelInfer"] = grpc.unary_unary_rpc_method_handler(
            self._refusing(self._infer), response_serializer=lambda answer: answer.content
        )
        return grpc.method_handlers_generic_handler(_SERVICE, found)

    def _refusing(self, call: Call) -> Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]:
        """The call; its errors as gRPC has them."""
        about = {REVISION_HEADER: self._service.model.identity.revision}

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            context.set_trailing_metadata(_metadata(about))
            try:
                found = await call(request)
                if isinstance(found, Answer):
                    hints = {name: value for name, value in found.headers.items() if name == REQUEST_HEADER}
                    context.set_trailing_metadata(_metadata(about | hints))
                return found
            except RequestError as error:
                await context.abort(_CODES[error.status], str(error), _metadata(about | error.headers))

        return answer

    async def _live(self, _request: Any) -> Any:
        return messages.ServerLiveResponse(live=True)

    async def _ready(self, _request: Any) -> Any:
        return messages.ServerReadyResponse(ready=not self._service.lifecycle.draining)

    async def _model_ready(self, request: Any) -> Any:
        metadata.require_model(self._service.model.identity, request.name, request.version)
        return messages.ModelReadyResponse(ready=not self._service.lifecycle.draining)

    async def _about_server(self, _request: Any) -> Any:
        return messages.ServerMetadataResponse(**metadata.about_server())

    async def _about_model(self, request: Any) -> Any:
        metadata.require_model(self._service.model.identity, request.name, request.version)
        return messages.ModelMetadataResponse(**metadata.about_model(self._service.model))

    async def _infer(self, body: bytes) -> Answer:
        async def coming() -> bytes:
            return body

        return await self._service.answer(coming(), calls.infer)


def _metadata(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in headers.items())
