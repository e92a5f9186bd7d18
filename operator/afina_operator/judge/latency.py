"""Is the canary slower by more than is allowed, near the median or the 95th percentile?

The canary is at most r times as slow if, for any time x, no more of its requests are slower than r x than are of the
stable revision's slower than x: a claim about two shares. The x are bounds of the histogram next to the stable
revision's quantiles in earlier looks.

A limit between two bounds is rounded up to show harm and down to show safety, so that neither is claimed wrongly. The
x is the bound above the quantile for harm and the one below it for safety: so both can be shown even where all
latencies lie in one bucket. Those under the first bound are taken to be equal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from afina_api.serving import LATENCY_BOUNDS, LATENCY_RATIO
from afina_operator.judge.metric import Claims, Comparison
from afina_operator.judge.proportions import Claim, Counts
from afina_operator.judge.sample import Pair, Sample

_QUANTILES = (0.95, 0.5)
_NOISE = 1e-9
"""1.1 is one step between bounds, not a rounding error more."""


@dataclass(frozen=True)
class Latency:
    """At most `ratio` times the stable latency. Under 1.1, the distance of two bounds, safety cannot be shown."""

    ratio: float
    name: str = "latency"

    def claims(self, now: Pair, before: Pair) -> Claims:
        """One for each quantile."""
        if not any(before.stable.latencies):
            return Claims()
        steps = math.log(self.ratio) / math.log(LATENCY_RATIO)
        up, down = math.ceil(steps - _NOISE), math.floor(steps + _NOISE)
        at = [_bucket(before.stable, quantile) for quantile in _QUANTILES]
        return Claims(
            tuple(_claim(now, before, bound, up) for bound in at),
            tuple(_claim(now, before, bound - 1, down).reversed() for bound in at),
        )

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """The quantile in seconds, rounded up to a bound; infinite above them all."""
        _, quantile = max(zip(against, _QUANTILES, strict=False))
        canary, stable = _seconds(seen.canary, quantile), _seconds(seen.stable, quantile)
        return Comparison(
            canary,
            stable,
            f"{100 * quantile:.0f} % of {sum(seen.canary.latencies)} canary requests took {_within(canary)}, of "
            f"{sum(seen.stable.latencies)} stable ones {_within(stable)}; allowed: {self.ratio:g} times that",
        )


def _bucket(sample: Sample, quantile: float) -> int:
    """Index of the bucket that the quantile is in."""
    wanted = quantile * sum(sample.latencies)
    return next(index for index, count in enumerate(accumulate(sample.latencies)) if count >= wanted)


def _claim(now: Pair, before: Pair, bound: int, steps: int) -> Claim:
    """No more of the canary's requests are above the bound so many steps higher than are stable ones above the bound.

    A bound that would lead beyond the grid is taken so much lower.
    """
    bound = min(bound, len(LATENCY_BOUNDS) - 1 - steps)
    return Claim(
        canary=_slower(now.canary, bound + steps),
        stable=_slower(now.stable, bound),
        canary_before=_slower(before.canary, bound + steps),
        stable_before=_slower(before.stable, bound),
        margin=0.0,
    )


def _slower(sample: Sample, bound: int) -> Counts:
    """Requests above the bound of that index; -1 is the one below the first, which none is under."""
    return Counts(sum(sample.latencies[bound + 1 :]), sum(sample.latencies))


def _seconds(sample: Sample, quantile: float) -> float | None:
    if not any(sample.latencies):
        return None
    return (*LATENCY_BOUNDS, math.inf)[_bucket(sample, quantile)]


def _within(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    return f"at most {seconds:.3g} s" if math.isfinite(seconds) else f"more than {LATENCY_BOUNDS[-1]:.3g} s"
