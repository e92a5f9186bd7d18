"""Is the canary's share of failed requests greater by more than is allowed?"""

from collections.abc import Sequence
from dataclasses import dataclass

from afina_operator.judge.metric import Claims, Comparison, no_greater, percent
from afina_operator.judge.proportions import Counts
from afina_operator.judge.sample import Pair, Sample


@dataclass(frozen=True)
class Errors:
    """By at most `increase`, from 0, below 1."""

    increase: float
    name: str = "errors"

    def claims(self, now: Pair, before: Pair) -> Claims:
        """One."""
        claim = no_greater(_failed, now, before, self.increase)
        return Claims((claim,), (claim.reversed(),))

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """Shares of failed requests."""
        canary, stable = _failed(seen.canary), _failed(seen.stable)
        return Comparison(
            canary.share(),
            stable.share(),
            f"{percent(canary.share())} of {canary.total} canary requests failed, {percent(stable.share())} of "
            f"{stable.total} stable ones; allowed: {percent(stable.share())} + {percent(self.increase)}",
        )


def _failed(sample: Sample) -> Counts:
    return Counts(sample.errors, sample.requests)
