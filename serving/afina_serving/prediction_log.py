"""A sample of what was asked and answered, in S3: lines of JSON, gzipped, which a Dataset can be made of.

Whoever asks never waits for it: what cannot be written is dropped when there is too much of it, and counted.
"""

import gzip
import logging
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from pydantic_core import to_json

from afina_api.modeldeployment import PredictionLogging
from afina_api.serving import LOG_KEYS
from afina_models.columns import Columns
from afina_models.predictor import Predictions
from afina_serving.answers import confidence
from afina_serving.metrics import Metrics
from afina_serving.settings import Identity

MAX_WAITING_ROWS = 20_000
"""More are dropped."""
_OBJECT_ROWS, _OBJECT_SECONDS = 5_000, 30.0
"""An object is written when there are so many rows for it, or when the first of them has waited for so long."""
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""After a failure, and after many."""
_END_SECONDS = 10.0

log = logging.getLogger(__name__)

Put = Callable[[str, bytes], None]
"""Writes an object, by its key."""
Logging = tuple[PredictionLogging, Put]
"""What is logged, and how it is written."""


@dataclass(frozen=True)
class _Asked:
    """A request with its answer."""

    id: str
    time: datetime
    columns: Columns
    found: Predictions

    @property
    def rows(self) -> int:
        return len(self.found.values)


class PredictionLog:
    """Writes what it is given from a thread of its own."""

    def __init__(
        self, wanted: PredictionLogging, put: Put, identity: Identity, types: Mapping[str, str], metrics: Metrics
    ) -> None:
        """Nothing is written before `start`.

        Args:
            wanted: what the spec says.
            put: writes an object. May raise anything.
            identity: of the model.
            types: of its columns.
            metrics: count what is written and what is not.
        """
        self._wanted = wanted
        self._identity = identity
        self._types = {name: kind for name, kind in types.items() if name not in wanted.redact}
        self._metrics = metrics
        self._put = put
        self._random = random.Random()  # noqa: S311 - of a sample
        self._waiting: deque[_Asked] = deque()
        self._waiting_rows = 0
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, columns: Columns, found: Predictions) -> str | None:
        """Keep a request, if it is of the sample; the name that it has in the log then."""
        if self._random.random() >= self._wanted.sample_rate:
            return None
        asked = _Asked(uuid.uuid4().hex, datetime.now(UTC), columns, found)
        with self._changed:
            if self._waiting_rows + asked.rows > MAX_WAITING_ROWS:
                self._metrics.not_logged(asked.rows)
                return None
            self._waiting.append(asked)
            self._waiting_rows += asked.rows
            self._changed.notify()
        return asked.id

    def end(self) -> None:
        """Write what is left, if that does not take long."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while batch := self._next():
            if not self._write(batch):
                with self._changed:
                    self._metrics.not_logged(self._waiting_rows)
                return

    def _next(self) -> list[_Asked]:
        """What goes into the next object, when it is time; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            self._changed.wait_for(lambda: self._waiting_rows >= _OBJECT_ROWS or self._ended, _OBJECT_SECONDS)
            found: list[_Asked] = []
            while self._waiting and sum(one.rows for one in found) < _OBJECT_ROWS:
                found.append(self._waiting.popleft())
            return found

    def _write(self, batch: list[_Asked]) -> bool:
        """Write it, again and again until the end; whether it was written. Until then its rows count as waiting."""
        rows = sum(one.rows for one in batch)
        moment = batch[0].time
        key = f"{self._identity.revision}/{moment:%Y-%m-%d}/{moment:%H%M%S}-{batch[0].id}.jsonl.gz"
        content = cache(lambda: gzip.compress(b"\n".join(self._lines(batch)), 6))
        pause = _PAUSE_SECONDS
        while True:
            try:
                self._put(f"{self._wanted.sink.s3.prefix}{key}", content())
                break
            except Exception as error:  # whatever the client may raise
                log.warning("the prediction log cannot be written: %s", error)
            with self._changed:
                if self._ended:
                    return False
                self._changed.wait_for(lambda: self._ended, pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        with self._changed:
            self._waiting_rows -= rows
        self._metrics.logged(rows)
        return True

    def _lines(self, batch: list[_Asked]) -> Iterator[bytes]:
        for one in batch:
            about = {
                "afina_request": one.id,
                "afina_time": one.time.isoformat(),
                "afina_revision": self._identity.revision,
                "afina_model_version": self._identity.version,
            }
            columns = {name: _plain(one.columns[name], kind) for name, kind in self._types.items()}
            for row, said in enumerate(_said(one.found)):
                values = {name: column[row] for name, column in columns.items()}
                yield to_json({**values, **about, "afina_row": row, **said})
                # A line is short; who answers requests must get its turn.
                time.sleep(0)


def _plain(column: Any, kind: str) -> list[Any]:
    """The values of a column as JSON has them, None for what is missing."""
    values = column.tolist()
    if kind == "Datetime":
        return [None if np.isnan(value) else _moment(value) for value in values]
    if kind == "Boolean":
        return [None if np.isnan(value) else bool(value) for value in values]
    return [None if isinstance(value, float) and np.isnan(value) else value for value in values]


def _moment(seconds: float) -> str | float:
    """As a date has it; a number that is no date of a calendar stays one."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return seconds


def _said(found: Predictions) -> Iterator[dict[str, Any]]:
    if found.labels is None:
        yield from ({"afina_prediction": value} for value in found.values.tolist())
        return
    for label, certain, chances in zip(found.labels, confidence(found.values).tolist(), found.values, strict=True):
        yield {"afina_prediction": label, "afina_probability": float(chances.max()), "afina_confidence": certain}


def s3_put(wanted: PredictionLogging, env: Mapping[str, str]) -> Put:
    """Writes into the bucket.

    Args:
        wanted: names it.
        env: LOG_KEYS; without them the bucket is public.
    """
    client = cache(lambda: _client(wanted, [env.get(name) for name in LOG_KEYS]))

    def put(key: str, content: bytes) -> None:
        client().put_object(Bucket=wanted.sink.s3.bucket, Key=key, Body=content, ContentType="application/gzip")

    return put


def _client(wanted: PredictionLogging, keys: Sequence[str | None]) -> Any:
    # Takes long to import, and few need it.
    import boto3
    from botocore import UNSIGNED
    from botocore.client import Config

    place = wanted.sink.s3
    config = Config(
        signature_version="s3v4" if all(keys) else UNSIGNED,
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "max_attempts": 2},
        # Servers other than Amazon's have no names for buckets in DNS.
        s3={"addressing_style": "path" if place.endpoint_url else "auto"},
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=place.endpoint_url,
        region_name=place.region or "us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=config,
    )
