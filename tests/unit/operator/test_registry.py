"""What the operator reads from the registry's reply."""

import pytest
from aiohttp import web

from afina_operator.registry import MlflowRegistry, RegisteredVersion

VERSION = {"name": "faces", "version": "3", "source": "s3://models/1"}
TAGS = {"afina.digest": "sha256:1"}


@pytest.mark.parametrize("needs", [None, "torch"])
async def test_a_version_says_whether_it_needs_torch(needs: str | None) -> None:
    async def reply(_request: web.Request) -> web.Response:
        tags = [
            {"key": key, "value": value} for key, value in (TAGS | ({"afina.needs": needs} if needs else {})).items()
        ]
        return web.json_response({"model_version": {**VERSION, "tags": tags}})

    application = web.Application()
    application.router.add_get("/api/2.0/mlflow/model-versions/get", reply)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        found = await MlflowRegistry(f"http://{host}:{port}").resolve("models:/faces/3")
    finally:
        await runner.cleanup()
    assert found == RegisteredVersion("faces", "3", "sha256:1", "s3://models/1", needs=needs)
