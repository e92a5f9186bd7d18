"""The least that can be served by uvicorn: the body of the request, sent back; or what JSON it has, answered."""

import json
from typing import Any


async def app(_scope: Any, receive: Any, send: Any) -> None:
    await _answer(send, await _body(receive))


async def with_json(_scope: Any, receive: Any, send: Any) -> None:
    """The rows are read, and answered in the form of the model server's."""
    answer = {
        "predictions": [{"estimate": row["x"]} for row in json.loads(await _body(receive))["rows"]],
        "model_version": "3",
        "revision": "mldep-houses-1",
        "processing_time": 0.00011174600149388425,
        "warnings": [],
    }
    await _answer(send, json.dumps(answer).encode())


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def _answer(send: Any, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
