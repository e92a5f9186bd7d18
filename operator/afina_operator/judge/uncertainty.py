"""Is the canary less sure of its answers than the stable revision, on average, by more than is allowed?"""

from collections.abc import Sequence
from dataclasses import dataclass

from afina_operator.judge.metric import Claims, Comparison, no_greater
from afina_operator.judge.proportions import Counts
from afina_operator.judge.sample import Pair, Sample


@dataclass(frozen=True)
class Uncertainty:
    """The mean over the rows is greater by at most `increase`, from 0, below 1."""

    increase: float
    name: str = "uncertainty"

    def claims(self, now: Pair, before: Pair) -> Claims:
        """One."""
        claim = no_greater(_doubts, now, before, self.increase)
        return Claims((claim,), (claim.reversed(),))

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """Means."""
        canary, stable = _doubts(seen.canary), _doubts(seen.stable)
        return Comparison(
            canary.share(),
            stable.share(),
            f"{_mean(canary)} on average of {canary.total} canary rows, {_mean(stable)} of {stable.total} stable ones; "
            f"allowed: {_mean(stable)} + {self.increase:.3g}",
        )


def _doubts(sample: Sample) -> Counts:
    return Counts(*sample.uncertainty)


def _mean(doubts: Counts) -> str:
    mean = doubts.share()
    return "unknown" if mean is None else f"{mean:.3g}"
