"""TorchServe, for real: it answers what Uvicorn answers, survives its workers and does not survive its Java."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.model_servers import ModelServer
from support.runtimes import MODELS, Pair, SameAsUvicorn, a_pair, open_ports, shows_images_and_ends_without


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
    told = shows_images_and_ends_without(
        "org.pytorch.serve.ModelServer", "TorchServe", face_model, imager, tmp_path / "termination"
    )
    assert told == {"reason": "RuntimeEnded", "message": "a process of TorchServe has ended"}
