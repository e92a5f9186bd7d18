"""Asks Prometheus what others have counted by revision. It is that of the installation: no spec names an address."""

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence

import aiohttp
from pydantic_core import from_json

from afina_api.modeldeployment import REVISION, CountedMetric
from afina_operator.judge import Total
from afina_operator.modeldeployment.readings import Told, bounded
from afina_operator.resources import dig

_TIMEOUT_SECONDS = 2.0
_MAX_BYTES = 65_536
_MAX_WORDS = 200
_MOST = 2**53
"""Beyond it a counter no longer counts every one."""


class _UntoldError(Exception):
    """It does not tell a counter; the message says why, for people."""


class Prometheus:
    """A Prometheus, or what answers as one does, reached over HTTP."""

    def __init__(self, url: str) -> None:
        """Know where it is.

        Args:
            url: what comes before `/api/v1`; empty: there is none.
        """
        self._root = url.rstrip("/")

    async def __call__(self, metrics: Sequence[CountedMetric], revisions: Sequence[str]) -> Mapping[str, Told]:
        """What was counted of each revision, all at one moment, so that hits and totals are of the same scrapes."""
        at = time.time()
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            told = await asyncio.gather(*(self._told(session, metrics, revision, at) for revision in revisions))
        return dict(zip(revisions, told, strict=True))

    async def _told(
        self, session: aiohttp.ClientSession, metrics: Sequence[CountedMetric], revision: str, at: float
    ) -> Told:
        answers = await asyncio.gather(*(self._total(session, metric, revision, at) for metric in metrics))
        told = {metric.name: answer for metric, answer in zip(metrics, answers, strict=True)}
        return Told(
            {name: answer for name, answer in told.items() if not isinstance(answer, str)},
            "; ".join(f"{name}: {answer}" for name, answer in told.items() if isinstance(answer, str)),
        )

    async def _total(
        self, session: aiohttp.ClientSession, metric: CountedMetric, revision: str, at: float
    ) -> Total | str:
        """The counters of a metric; or why they are not known."""
        # What JSON escapes, PromQL does too.
        queries = [query.replace(REVISION, json.dumps(revision)[1:-1]) for query in (metric.hits, metric.total)]
        try:
            hits, total = [await self._counter(session, query, at) for query in queries]
        except _UntoldError as error:
            return str(error)
        if not total.is_integer():
            return f"total must be a count: it is {total:g}"
        return hits, int(total)

    async def _counter(self, session: aiohttp.ClientSession, query: str, at: float) -> float:
        if not self._root:
            raise _UntoldError("this installation has no Prometheus: set prometheus.url in the chart's values")
        asked = {"query": query, "time": f"{at:.3f}"}
        try:
            async with session.get(f"{self._root}/api/v1/query", params=asked, allow_redirects=False) as response:
                answer = from_json(await bounded(response.content, _MAX_BYTES))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _UntoldError(f"Prometheus does not answer: {error!r}"[:_MAX_WORDS]) from error
        return _number(answer)


def _number(answer: object) -> float:
    """The one number that a query came to.

    Raises:
        _UntoldError: it came to none, to several, or to one that no counter can have.
    """
    if dig(answer, "status") != "success":
        raise _UntoldError(f"Prometheus refuses the query: {dig(answer, 'error')}"[:_MAX_WORDS])
    found = dig(answer, "data", "result")
    if dig(answer, "data", "resultType") != "vector" or not isinstance(found, list) or len(found) != 1:
        count = len(found) if isinstance(found, list) else 0
        raise _UntoldError(f"the query comes to {count} series: it must be one")
    try:
        value = float(str(dig(found, 0, "value", 1)))
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST:
        raise _UntoldError("the query comes to what no counter can be")
    return value
