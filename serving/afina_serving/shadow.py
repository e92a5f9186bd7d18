"""Copies of requests for another revision, whose answers are compared with ours and then forgotten.

The operator lets one name lead to the canary while a rollout is at a step `shadow`, and to nobody otherwise. So a
running server need not be told anything: it looks whether somebody else answers there.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress

import httpx2

from afina_api.serving import REVISION_HEADER
from afina_serving.metrics import Metrics

_LOOK_SECONDS, _TIMEOUT_SECONDS = 2.0, 10.0
_MAX_UNDER_WAY = 8
"""Copies that wait for their answer. Beyond that, requests are not copied: a slow canary must not use up our memory."""


class Shadow:
    """Sends copies to whoever else answers at a URL."""

    def __init__(self, url: str, revision: str, metrics: Metrics) -> None:
        """Nothing is sent before `watch` runs.

        Args:
            url: of the other server, without a path.
            revision: our own.
            metrics: count what came of it.
        """
        self._url = url
        self._revision = revision
        self._metrics = metrics
        self._client: httpx2.AsyncClient | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_there = False

    async def watch(self) -> None:
        """See, again and again, whether there is somebody to send copies to."""
        # A connection that is kept goes on leading to whom the name led to when it was made: once, that was us.
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(
            base_url=self._url, timeout=_TIMEOUT_SECONDS, limits=limits, trust_env=False
        ) as client:
            self._client = client
            while True:
                self._is_there = await self._look(client)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, client: httpx2.AsyncClient) -> bool:
        with suppress(httpx2.HTTPError):
            answer = await client.get("/v2/health/ready")
            return answer.is_success and answer.headers.get(REVISION_HEADER, self._revision) != self._revision
        return False

    def copy(self, body: bytes, content_type: str, answer: bytes) -> None:
        """Send a copy of a request to `/predict`, which was answered, if there is somebody, and compare the answers."""
        if self._is_there and self._client is not None and len(self._under_way) < _MAX_UNDER_WAY:
            task = asyncio.create_task(self._compare(self._client, body, content_type, answer))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _compare(self, client: httpx2.AsyncClient, body: bytes, content_type: str, ours: bytes) -> None:
        try:
            answer = await client.post("/predict", content=body, headers={"Content-Type": content_type})
        except httpx2.HTTPError:
            # The step may have ended, and the name leads to nobody: no answer tells nothing of the canary. What it
            # fails at it counts itself, and whether it lives others look at.
            self._is_there = False
            return
        self._metrics.compared(differences(ours, answer.content if answer.is_success else b""))


def differences(ours: bytes, theirs: bytes) -> Sequence[float]:
    """How far apart two answers of `/predict` are, for each row, from 0 to 1.

    Of numbers: the difference in units of the greater size. Of classes, and where there is no other answer: 1, or 0
    where they are the same.
    """
    known, other = _predictions(ours), _predictions(theirs)
    if len(known) != len(other):
        return [1.0] * len(known)
    return [_difference(a, b) for a, b in zip(known, other, strict=True)]


def _difference(a: str | float, b: str | float) -> float:
    if isinstance(a, str) or isinstance(b, str):
        return float(a != b)
    size = max(abs(a), abs(b))
    return min(1.0, abs(a - b) / size) if size else 0.0


def _predictions(answer: bytes) -> list[str | float]:
    try:
        rows = json.loads(answer)["predictions"]
        return [row["label"] if "label" in row else float(row["estimate"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        return []
