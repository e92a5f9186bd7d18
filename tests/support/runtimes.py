"""What every runtime must do, beside Uvicorn over the same model: the same, as far as a client can see."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tritonclient import grpc, http

from support.model_servers import ModelServer, Reply, a_server
from support.models import HOUSE, a_classifier, an_ensemble_of_numbers
from support.pictures import a_picture, encoded
from support.searches import wait_for
from support.servers import process_tree

SUM = {"a": 1.0, "b": 0.1, "c": -7.3}
ROWS: dict[str, list[dict[str, Any]]] = {"houses": [HOUSE, {"town": "Atlantis"}, {}], "sums": [SUM, {"a": 1e-300}, {}]}
MODELS: dict[str, tuple[Callable[[Path], str], str]] = {
    "classes": (a_classifier, "houses"),
    "numbers": (an_ensemble_of_numbers, "sums"),
}
LIMITS = {"AFINA_MAX_BODY_BYTES": "200000", "AFINA_TIMEOUT_SECONDS": "60"}
_END_SECONDS = 60


@dataclass(frozen=True)
class Pair:
    """Two servers of one model."""

    rows: str
    """Which of ROWS it knows."""
    uvicorn: ModelServer
    other: ModelServer

    def both(self, ask: Callable[[ModelServer], Any]) -> tuple[Any, Any]:
        return ask(self.uvicorn), ask(self.other)


@contextmanager
def a_pair(folder: Path, export: Callable[[Path], str], rows: str, runtime: str) -> Iterator[Pair]:
    digest = export(folder)
    with (
        a_server(folder, digest, **LIMITS) as uvicorn,
        a_server(folder, digest, **LIMITS, AFINA_RUNTIME=runtime, AFINA_WORKERS="2") as other,
    ):
        try:
            yield Pair(rows, uvicorn, other)
        finally:
            assert other.process
            other.process.terminate()
            code = other.process.wait(_END_SECONDS)
        assert code == 0, "it ends as told"


def processes(server: ModelServer) -> list[psutil.Process]:
    """The server's, and all that it has started."""
    assert server.process
    return process_tree(server.process.pid)


def called(server: ModelServer, word: str) -> list[psutil.Process]:
    """Those processes of the server that have a word in their command."""
    found = []
    for process in processes(server):
        with suppress(psutil.Error):
            if word in " ".join(process.cmdline()):
                found.append(process)
    return found


def open_ports(server: ModelServer) -> set[int]:
    """Those that others than this machine can reach."""
    found = set()
    for process in processes(server):
        for one in process.net_connections("inet"):
            if one.status == psutil.CONN_LISTEN and one.laddr.ip.removeprefix("::ffff:") != "127.0.0.1":
                found.add(one.laddr.port)
    return found


def shows_images_and_ends_without(
    word: str, runtime: str, face_model: tuple[Path, str], imager: ModelServer, told: Path
) -> object:
    """Have a server answer about images as Uvicorn does, kill the process that has the word in its command, and return
    the server's last words. One server for both: it takes long to start.
    """
    with a_server(*face_model, AFINA_RUNTIME=runtime, AFINA_TERMINATION_LOG=str(told)) as server:
        assert asked_about_images(server) == asked_about_images(imager)
        assert server.process
        called(server, word)[0].kill()
        assert server.process.wait(_END_SECONDS) == 1
    return json.loads(told.read_text())


def asked_about_images(server: ModelServer) -> list[tuple[int, object, dict[str, str]]]:
    """The replies to an image, to one among rows, and to what is none."""
    png, headers = encoded(a_picture(0)), {"Content-Type": "image/png"}
    in_row = {"rows": [{"image": base64.b64encode(png).decode()}, {}]}
    replies = [server.post("/predict", png, headers), server.post("/predict", in_row)]
    assert [reply.status for reply in replies] == [200, 200]
    return list(map(comparable, [*replies, server.post("/predict", png[:100], headers)]))


def comparable(reply: Reply) -> tuple[int, object, dict[str, str]]:
    """A reply without what differs from one request to the next."""
    body = json.loads(reply.content)
    if isinstance(body, dict):
        body.pop("processing_time", None)
    return (
        reply.status,
        body,
        {key: value for key, value in reply.headers.items() if key not in ("date", "content-length")},
    )


REQUESTS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "rows": ("/predict", lambda rows: {"rows": rows}, {}),
    "many rows": ("/predict", lambda rows: {"rows": rows * 500}, {}),
    "an unknown column": ("/predict", {"rows": [{"x": 1}]}, {}),
    "too many rows": ("/predict", {"rows": [{}] * 10_001}, {}),
    "no JSON": ("/predict", b"rows", {}),
    "a body too long": ("/predict", b" " * 300_000, {}),
    "a compressed body": ("/predict", b"", {"Content-Encoding": "gzip"}),
    "no tensors": ("/v2/models/houses/infer", {"inputs": []}, {}),
    "another model": ("/v2/models/flats/infer", {"inputs": []}, {}),
    "health": ("/v2/health/ready", None, {}),
    "the model's health": ("/v2/models/houses/ready", None, {}),
    "metadata": ("/v2/models/houses", None, {}),
    "the server's metadata": ("/v2", None, {}),
    "no such path": ("/v1", None, {}),
    "to be posted": ("/predict", None, {}),
}


class SameAsUvicorn:
    """Tests that a runtime inherits, beside a fixture `pair`."""

    worker = ""
    """In the command of a process that predicts, of which there are two."""

    @pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
    def test_the_same_requests_get_the_same_answers(
        self, request_: tuple[str, Any, dict[str, str]], pair: Pair
    ) -> None:
        path, body, headers = request_
        body = body(ROWS[pair.rows]) if callable(body) else body
        uvicorn, other = pair.both(lambda one: one.get(path) if body is None else one.post(path, body, headers))
        assert comparable(other) == comparable(uvicorn)

    @pytest.mark.parametrize("protocol", [http, grpc], ids=["HTTP", "gRPC"])
    def test_tensors_get_the_same_numbers(self, protocol: Any, pair: Pair) -> None:
        def infer(server: ModelServer) -> list[list[object]]:
            port = server.port if protocol is http else server.grpc_port
            client = protocol.InferenceServerClient(f"127.0.0.1:{port}")
            json_too = {} if protocol is http else {"as_json": True}
            kinds = {float: "FP64", bool: "BOOL", str: "BYTES"}
            inputs = []
            for name, value in ROWS[pair.rows][0].items():
                values = np.array([value] * 3, dtype=object if isinstance(value, str) else type(value))
                inputs.append(protocol.InferInput(name, [3], kinds[type(value)]).set_data_from_numpy(values))
            found = client.infer("houses", inputs)
            names = [one["name"] for one in client.get_model_metadata("houses", **json_too)["outputs"]]
            return [found.as_numpy(name).tolist() for name in names]

        uvicorn, other = pair.both(infer)
        assert other == uvicorn

    def test_the_same_is_counted(self, pair: Pair) -> None:
        def names(server: ModelServer) -> set[str]:
            server.post("/predict", {"rows": [{}]})
            lines = server.get("/metrics").content.decode().splitlines()
            return {line.partition("{")[0].partition(" ")[0] for line in lines if line.startswith("afina_")}

        before = pair.other.metric("afina_model_rows_total")
        uvicorn, other = pair.both(names)
        assert other == uvicorn
        assert pair.other.metric("afina_model_rows_total") == before + 1

    def test_a_worker_that_dies_takes_no_request_with_it(self, pair: Pair) -> None:
        (first, *_), expected = called(pair.other, self.worker), pair.uvicorn.post("/predict", {"rows": [{}]})
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(pair.other.post, "/predict", {"rows": [{}]}) for _ in range(100)]
            first.kill()
        assert {comparable(one.result())[0] for one in answers} == {200}
        assert comparable(pair.other.post("/predict", {"rows": [{}]})) == comparable(expected)
        wait_for(lambda: len(called(pair.other, self.worker)) == 2)
