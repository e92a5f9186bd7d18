"""Ray Serve, for real: it answers what Uvicorn answers, survives its workers and does not survive Ray."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.model_servers import ModelServer
from support.runtimes import MODELS, Pair, SameAsUvicorn, a_pair, open_ports, shows_images_and_ends_without


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Of one model: Ray takes half a minute to start, and knows nothing of what it serves."""
    export, rows = MODELS["classes"]
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
    told = shows_images_and_ends_without("/gcs_server ", "RayServe", face_model, imager, tmp_path / "termination")
    assert told == {"reason": "RuntimeEnded", "message": "a process of Ray has ended"}
