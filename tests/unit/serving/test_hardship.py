"""What clients do to a server, and what it does when it is told to end."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from afina_models.columns import Columns
from afina_serving import server as serving
from support.model_servers import ModelServer, a_server, ask
from support.models import a_regressor
from support.searches import wait_for
from support.slow_servers import Slow

ROW = {"a": 1.0, "b": 1.0, "c": 1.0}
BODY = json.dumps({"rows": [ROW]}).encode()


def test_a_body_too_long_is_refused(classifier: ModelServer) -> None:
    found = classifier.post("/predict", b" " * 20_000_000)
    assert (found.status, found.headers["connection"]) == (413, "close")
    assert "200000 bytes" in found.json["error"]


def test_a_body_too_long_that_does_not_say_so_and_does_not_end_is_refused(classifier: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", classifier.port), timeout=30) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"c350\r\n" + b" " * 50_000 + b"\r\n")
        client.sendall(b"30d40\r\n" + b" " * 200_000 + b"\r\n")
        assert b"413" in client.recv(65_536)


def test_a_body_that_does_not_come_is_not_waited_for(classifier: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", classifier.port), timeout=30) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert b"408" in client.recv(65_536)


@pytest.mark.parametrize(
    "sent",
    [b"POST /predict HTTP/1.1\r\nHost:", b""],
    ids=["some headers", "nothing"],
)
def test_headers_that_do_not_come_are_not_waited_for(sent: bytes, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_HEADER_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", slow.server.port), timeout=30) as client:
        client.sendall(sent)
        assert client.recv(65_536) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000,
    ],
    ids=["TLS", "a negative length", "a length that is none", "headers without end"],
)
def test_what_is_no_http_is_refused(sent: bytes, classifier: ModelServer) -> None:
    with socket.create_connection(("127.0.0.1", classifier.port), timeout=30) as client:
        client.sendall(sent)
        assert b"HTTP/1.1 400" in client.recv(65_536)
    assert classifier.get("/v2/health/ready").status == 200


def test_a_compressed_body_is_refused(classifier: ModelServer) -> None:
    assert classifier.post("/predict", BODY, {"Content-Encoding": "gzip"}).status == 415


def test_a_client_that_leaves_takes_nobody_with_it(classifier: ModelServer) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", classifier.port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert classifier.post("/predict", {"rows": [{}]}).status == 200


def test_many_at_once_get_their_own_answers(regressor: ModelServer) -> None:
    def estimate(value: float) -> float:
        found = regressor.post("/predict", {"rows": [{**ROW, "a": value}] * (500 if value > 3 else 1)})
        return float(found.json["predictions"][-1]["estimate"])

    values = [number / 10 for number in range(60)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(estimate, values))
    assert found == pytest.approx([estimate(value) for value in values])
    assert sorted(set(found)) == found


def test_a_full_queue_says_come_back_later(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.slow_down(monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(slow.server.post, "/predict", BODY) for _ in range(2)]
        wait_for(lambda: slow.held == 2)
        refused = slow.server.post("/predict", BODY)
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert slow.server.get("/v2/health/live").status == 200
        assert {one.result().status for one in waiting} == {504}
    # The thread is still at the first; what waited behind it was given up.
    slow.let.set()
    wait_for(lambda: slow.server.post("/predict", BODY).status == 200)


def test_an_answer_that_is_no_number_is_never_sent(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow.predictor, "_combine", lambda members: members[0] * np.nan)
    for path, body in (
        ("/predict", BODY),
        (
            "/v2/models/houses/infer",
            {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 1, 1]}]},
        ),
    ):
        found = slow.server.post(path, body)
        assert found.status == 500
        assert found.json == {"error": "the model's answer to row 0 is not finite"}
    assert slow.server.metric("afina_model_requests_total", '{code="500"}') == 2


def test_an_error_of_the_model_is_told_to_the_log_alone(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_rows: Columns) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(slow.predictor, "predict", fail)
    found = slow.server.post("/predict", BODY)
    assert found.status == 500
    assert "secret" not in found.content.decode()
    assert slow.server.get("/v2/health/live").status == 200


def test_told_to_end_it_answers_what_comes_and_what_was_begun(tmp_path: Path) -> None:
    with a_server(tmp_path, a_regressor(tmp_path)) as server:
        assert server.process
        kept, begun = server.connect(), server.connect()
        assert ask(kept, "GET", "/v2/health/ready").status == 200
        begun.putrequest("POST", "/predict")
        begun.putheader("Content-Length", str(len(BODY)))
        begun.endheaders(BODY[:5])
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: server.get("/v2/health/ready").status == 503)
        assert server.post("/predict", BODY).status == 200
        wait_for(lambda: server.get("/v2/health/live").headers.get("connection") == "close")
        told = ask(kept, "POST", "/predict", BODY)
        assert (told.status, told.headers["connection"]) == (200, "close")
        begun.send(BODY[5:])
        assert begun.getresponse().status == 200
        kept.close()
        begun.close()
        assert server.process.wait(30) == 0
