"""The operator's HTTP port: liveness, readiness and metrics."""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


async def serve(port: int, stale: Callable[[], Mapping[str, float]], ready: Callable[[], bool]) -> web.AppRunner:
    """Start to serve on all addresses.

    Args:
        port: TCP port.
        stale: the watches that are proved stale, and for how many seconds; any makes the operator not alive.
        ready: whether objects are being handled.

    Returns:
        The server, for `cleanup`.
    """

    async def healthz(_: web.Request) -> web.Response:
        found = dict(stale())
        return web.json_response({"staleWatches": found}, status=503 if found else 200)

    async def readyz(_: web.Request) -> web.Response:
        found = ready()
        return web.json_response({"holdsLease": found}, status=200 if found else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
