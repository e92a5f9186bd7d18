"""Ray Serve, for real: it answers what Uvicorn answers, survives its workers and does not survive Ray."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.model_servers import ModelServer, a_server
from support.runtimes import MODELS, Pair, SameAsUvicorn, a_pair, asked_about_images, called, open_ports


@pytest.fixture(scope="module", params=MODELS.values(), ids=list(MODELS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    export, rows = request.param
    with a_pair(tmp_path_factory.mktemp("ray"), export, rows, "RayServe") as found:
        yield found


class TestRayServe(SameAsUvicorn):
    worker = "ray::ServeReplica"

    def test_others_than_the_pod_need_a_token(self, pair: Pair) -> None:
        others = open_ports(pair.other) - {pair.other.port, pair.other.grpc_port}
        assert others, "those of the workers"
        for port in others:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as error:
                channel.unary_unary("/ray.serve.ASGIService/HandleRequest")(b"")
            assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_images_get_the_same_answers_and_without_ray_it_ends_and_says_so(
    face_model: tuple[Path, str], imager: ModelServer, tmp_path: Path
) -> None:
    """One server for both: it takes long to start."""
    told = tmp_path / "termination"
    with a_server(*face_model, AFINA_RUNTIME="RayServe", AFINA_TERMINATION_LOG=str(told)) as server:
        assert asked_about_images(server) == asked_about_images(imager)
        assert server.process
        called(server, "/gcs_server ")[0].kill()
        assert server.process.wait(60) == 1
    assert json.loads(told.read_text()) == {"reason": "RuntimeEnded", "message": "a process of Ray has ended"}
