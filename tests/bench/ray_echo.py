"""The least that Ray Serve does for a request, as it is set up by default: the body, sent back."""

import signal
import sys

from ray import serve
from starlette.requests import Request
from starlette.responses import Response


class Echo:
    async def __call__(self, request: Request) -> Response:
        return Response(await request.body(), media_type="application/json")


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(serve.deployment(num_replicas=1)(Echo).bind())
    signal.pause()
