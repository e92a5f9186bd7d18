"""TorchServe, for real: it answers what Uvicorn answers, survives its workers and does not survive its Java."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.model_servers import a_server
from support.models import a_regressor
from support.runtimes import MODELS, Pair, SameAsUvicorn, a_pair, called, open_ports


@pytest.fixture(scope="module", params=MODELS.values(), ids=list(MODELS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    export, rows = request.param
    with a_pair(tmp_path_factory.mktemp("torchserve"), export, rows, "TorchServe") as found:
        yield found


class TestTorchServe(SameAsUvicorn):
    worker = "model_service_worker.py"

    def test_others_than_the_pod_reach_nothing_else(self, pair: Pair) -> None:
        assert open_ports(pair.other) == {pair.other.port, pair.other.grpc_port}


def test_without_java_the_server_ends_and_says_so(tmp_path: Path) -> None:
    with a_server(tmp_path, a_regressor(tmp_path), AFINA_RUNTIME="TorchServe") as server:
        assert server.process
        called(server, "org.pytorch.serve.ModelServer")[0].kill()
        assert server.process.wait(60) == 1
    assert json.loads((tmp_path / "termination").read_text()) == {
        "reason": "RuntimeEnded",
        "message": "a process of TorchServe has ended",
    }
