"""Samples for the judge, in few words."""

from bisect import bisect_left
from collections.abc import Mapping

from afina_api.serving import LATENCY_BOUNDS
from afina_operator.judge import Sample


def a_sample(
    requests: int = 100,
    errors: int = 0,
    seconds: Mapping[float, int] | None = None,
    predictions: Mapping[str, int] | None = None,
) -> Sample:
    """Requests that take 0.1 s, unless said otherwise.

    Args:
        requests: how many.
        errors: how many of them.
        seconds: how many took so long.
        predictions: by bin.
    """
    buckets = [0] * (len(LATENCY_BOUNDS) + 1)
    for latency, count in ({0.1: requests} if seconds is None else seconds).items():
        buckets[bisect_left(LATENCY_BOUNDS, latency)] += count
    return Sample(requests=requests, errors=errors, latencies=tuple(buckets), predictions=predictions or {})
