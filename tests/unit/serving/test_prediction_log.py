"""What is kept of requests and answers, and what becomes of it where it cannot be written."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from afina_api.modeldeployment import PredictionLogging
from afina_models.predictor import Predictions
from afina_serving import prediction_log
from afina_serving.metrics import Metrics
from afina_serving.prediction_log import MAX_WAITING_ROWS, PredictionLog
from afina_serving.settings import Identity
from support.searches import wait_for

IDENTITY = Identity("houses", "3", "sha256:1", "mldep-houses-1")
TYPES = {"area": "Numeric", "town": "Categorical", "garden": "Boolean", "built": "Datetime"}
COLUMNS = {
    "area": np.array([150.0, np.nan]),
    "town": np.array(["Soria", None], dtype=object),
    "garden": np.array([1.0, np.nan]),
    "built": np.array([925_516_800.0, np.nan]),
}
NUMBERS = Predictions(np.array([1.5, 2.5]), half_width=0.5)
CLASSES = Predictions(np.array([[0.9, 0.1], [0.5, 0.5]]), labels=["low", "high"])


class Sink:
    """Objects by key; it fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.tried: list[bytes] = []
        self.failures = failures
        self.let = threading.Event()
        self.let.set()

    def put(self, key: str, content: bytes) -> None:
        self.let.wait()
        self.tried.append(content)
        if self.failures:
            self.failures -= 1
            raise OSError("the bucket is gone")
        self.objects[key] = [json.loads(line) for line in gzip.decompress(content).splitlines()]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for one in self.objects.values() for row in one]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(IDENTITY, dict)


@contextmanager
def a_log(sink: Sink, metrics: Metrics, **spec: Any) -> Iterator[PredictionLog]:
    wanted = PredictionLogging.model_validate({"sink": {"s3": {"bucket": "logs", "prefix": "all/"}}, **spec})
    log = PredictionLog(wanted, sink.put, IDENTITY, TYPES, metrics)
    log.start()
    try:
        yield log
    finally:
        sink.let.set()
        log.end()


def counted(metrics: Metrics) -> dict[str, float]:
    lines = [
        line.split()
        for line in metrics.text().decode().splitlines()
        if line.startswith("afina") and "logged_rows_total " in line
    ]
    return {name.removeprefix("afina_model_").removesuffix("_rows_total"): float(value) for name, value in lines}


def test_keeps_rows_with_their_answers(sink: Sink, metrics: Metrics) -> None:
    with a_log(sink, metrics) as log:
        names = [log.add(COLUMNS, NUMBERS), log.add(COLUMNS, CLASSES)]
    (key,) = sink.objects
    assert key.startswith("all/mldep-houses-1/")
    assert key.endswith(f"-{names[0]}.jsonl.gz")
    assert [(row["afina_request"], row["afina_row"]) for row in sink.rows] == [
        (name, row) for name in names for row in (0, 1)
    ]
    first, second, third, _ = sink.rows
    assert first == {
        "area": 150.0,
        "town": "Soria",
        "garden": True,
        "built": "1999-05-01T00:00:00+00:00",
        "afina_request": names[0],
        "afina_time": first["afina_time"],
        "afina_revision": "mldep-houses-1",
        "afina_model_version": "3",
        "afina_row": 0,
        "afina_prediction": 1.5,
    }
    assert [second[name] for name in TYPES] == [None] * 4
    assert (third["afina_prediction"], third["afina_probability"]) == ("low", 0.9)
    assert 0 < third["afina_confidence"] < 1
    assert counted(metrics) == {"logged": 4, "unlogged": 0}


def test_a_number_that_is_no_date_keeps_nothing_back(sink: Sink, metrics: Metrics) -> None:
    with a_log(sink, metrics) as log:
        log.add({**COLUMNS, "built": np.array([1e300, -1e15])}, NUMBERS)
    assert [row["built"] for row in sink.rows] == [1e300, -1e15]
    assert counted(metrics) == {"logged": 2, "unlogged": 0}


def test_leaves_columns_out(sink: Sink, metrics: Metrics) -> None:
    with a_log(sink, metrics, redact=["town", "built"]) as log:
        log.add(COLUMNS, NUMBERS)
    assert {"area", "garden"} <= set(sink.rows[0])
    assert not {"town", "built"} & set(sink.rows[0])
    assert "Soria" not in str(sink.objects)


def test_keeps_a_sample(sink: Sink, metrics: Metrics) -> None:
    with a_log(sink, metrics, sampleRate=0.2) as log:
        kept = [log.add(COLUMNS, NUMBERS) is not None for _ in range(2000)]
    # Six standard deviations around 400.
    assert 290 < sum(kept) < 510
    assert len(sink.rows) == 2 * sum(kept)


def test_tries_again_what_it_could_not_write(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(prediction_log, "_OBJECT_SECONDS", 0.01)
    sink = Sink(failures=3)
    with a_log(sink, metrics) as log:
        log.add(COLUMNS, NUMBERS)
        wait_for(lambda: sink.objects)
    assert len(sink.rows) == 2
    assert counted(metrics) == {"logged": 2, "unlogged": 0}
    assert [content is sink.tried[0] for content in sink.tried] == [True] * 4, "it was made once"


def test_drops_what_is_too_much_and_nobody_waits(sink: Sink, metrics: Metrics) -> None:
    many = {name: np.repeat(column, 500) for name, column in COLUMNS.items()}
    found = Predictions(np.zeros(1000))
    sink.let.clear()
    with a_log(sink, metrics) as log:
        names = [log.add(many, found) for _ in range(MAX_WAITING_ROWS // 1000 + 5)]
        assert names[-5:] == [None] * 5
        assert None not in names[:-5]
    assert counted(metrics) == {"logged": MAX_WAITING_ROWS, "unlogged": 5000}
    assert len(sink.rows) == MAX_WAITING_ROWS


def test_counts_what_is_lost_at_the_end(metrics: Metrics) -> None:
    sink = Sink(failures=1000)
    with a_log(sink, metrics) as log:
        log.add(COLUMNS, NUMBERS)
    assert counted(metrics) == {"logged": 0, "unlogged": 2}


@pytest.mark.parametrize("rows", [1, 5001])
def test_writes_when_there_is_enough_or_it_is_time(
    rows: int, sink: Sink, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_OBJECT_SECONDS", 0.2 if rows == 1 else 1000)
    seen: Callable[[], object] = lambda: len(sink.rows) == rows  # noqa: E731
    with a_log(sink, metrics) as log:
        log.add({name: column[:1].repeat(rows) for name, column in COLUMNS.items()}, Predictions(np.zeros(rows)))
        wait_for(seen)
