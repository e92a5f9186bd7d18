"""TorchServe, for real: it answers what Uvicorn answers, survives its workers and does not survive its Java."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.model_servers import ModelServer, a_server
from support.runtimes import MODELS, Pair, SameAsUvicorn, a_pair, asked_about_images, called, open_ports


@pytest.fixture(scope="module", params=MODELS.values(), ids=list(MODELS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    export, rows = request.param
    with a_pair(tmp_path_factory.mktemp("torchserve"), export, rows, "TorchServe") as found:
        yield found


class TestTorchServe(SameAsUvicorn):
    worker = "model_service_worker.py"

    def test_others_than_the_pod_reach_nothing_else(self, pair: Pair) -> None:
        assert open_ports(pair.other) == {pair.other.port, pair.other.grpc_port}


def test_images_get_the_same_answers_and_without_java_it_ends_and_says_so(
    face_model: tuple[Path, str], imager: ModelServer, tmp_path: Path
) -> None:
    """One server for both: it takes long to start."""
    told = tmp_path / "termination"
    with a_server(*face_model, AFINA_RUNTIME="TorchServe", AFINA_TERMINATION_LOG=str(told)) as server:
        assert asked_about_images(server) == asked_about_images(imager)
        assert server.process
        called(server, "org.pytorch.serve.ModelServer")[0].kill()
        assert server.process.wait(60) == 1
    assert json.loads(told.read_text()) == {"reason": "RuntimeEnded", "message": "a process of TorchServe has ended"}
