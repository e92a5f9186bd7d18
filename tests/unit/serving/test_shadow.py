"""Copies of requests: whom they are sent to, what is made of the answers, and that clients do not notice."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from afina_serving.shadow import differences
from support.model_servers import ModelServer, a_server
from support.models import a_classifier, a_regressor
from support.searches import wait_for
from support.servers import free_port

ROW = {"rows": [{"a": 1.0, "b": 0.0, "c": 0.0}]}
COMPARED = "afina_model_shadow_difference_count"


def numbers(*values: float) -> bytes:
    return json.dumps({"predictions": [{"estimate": value} for value in values]}).encode()


def labels(*names: str) -> bytes:
    return json.dumps({"predictions": [{"label": name} for name in names]}).encode()


def others(server: ModelServer) -> float:
    """Rows that got another answer."""
    # Copies may still be under way: the answers that are the same are read last.
    compared = server.metric(COMPARED)
    return max(0, compared - server.metric("afina_model_shadow_difference_bucket", '{le="0.0"}'))


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (numbers(1, -2, 0), numbers(1, -2, 0), [0, 0, 0]),
        (numbers(100, 90, -100), numbers(90, 100, 90), [0.1, 0.1, 1]),
        (numbers(0), numbers(1e-9), [1]),
        (labels("a", "b"), labels("a", "c"), [0, 1]),
        (labels("1"), numbers(1), [1]),
        (numbers(1, 2), numbers(1), [1, 1]),
        (numbers(1, 2), b"", [1, 1]),
        (numbers(1), b'{"predictions": [{}]}', [1]),
        (numbers(1), b"[]", [1]),
    ],
)
def test_how_far_answers_are_apart(ours: bytes, theirs: bytes, expected: list[float]) -> None:
    assert differences(ours, theirs) == pytest.approx(expected)


@pytest.fixture
def canary_port() -> int:
    return free_port()


@pytest.fixture
def stable(tmp_path: Path, canary_port: int) -> Iterator[ModelServer]:
    folder = tmp_path / "stable"
    folder.mkdir()
    with a_server(folder, a_regressor(folder), AFINA_SHADOW_URL=f"http://127.0.0.1:{canary_port}") as server:
        yield server


def test_copies_go_to_another_revision_that_is_there(tmp_path: Path, stable: ModelServer, canary_port: int) -> None:
    assert stable.post("/predict", ROW).status == 200
    assert stable.metric(COMPARED) == 0
    digest = a_regressor(tmp_path)
    with a_server(tmp_path, digest, PORT=str(canary_port), AFINA_REVISION="mldep-houses-2") as canary:

        def copied() -> bool:
            assert stable.post("/predict", ROW).status == 200
            return stable.metric(COMPARED) > 3

        wait_for(copied, 30)
        assert others(stable) == 0
        assert canary.metric("afina_model_requests_total", '{code="200"}') >= 4
    # At once: before it has looked again.
    for _ in range(20):
        assert stable.post("/predict", ROW).status == 200
    wait_for(lambda: stable.post("/predict", ROW).status == 200)
    assert others(stable) == 0, "who is gone gives none"


def test_answers_that_fail_are_others(tmp_path: Path, stable: ModelServer, canary_port: int) -> None:
    digest = a_classifier(tmp_path)  # it does not know the columns
    with a_server(tmp_path, digest, PORT=str(canary_port), AFINA_REVISION="mldep-houses-2"):

        def copied() -> bool:
            assert stable.post("/predict", ROW).status == 200
            return stable.metric(COMPARED) > 3

        wait_for(copied, 30)
    assert stable.metric("afina_model_shadow_difference_bucket", '{le="0.5"}') == 0


def test_its_own_revision_gets_no_copies(tmp_path: Path, stable: ModelServer, canary_port: int) -> None:
    with a_server(tmp_path, a_regressor(tmp_path), PORT=str(canary_port)) as twin:
        for _ in range(30):
            assert stable.post("/predict", ROW).status == 200
            wait_for(lambda: twin.get("/v2/health/ready").status == 200)
        assert twin.metric("afina_model_requests_total", '{code="200"}') == 0
