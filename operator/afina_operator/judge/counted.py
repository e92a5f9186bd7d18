"""Is a share that others count greater, or less, by more than is allowed?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from afina_operator.judge.metric import Claims, Comparison, no_greater, percent
from afina_operator.judge.proportions import Counts
from afina_operator.judge.sample import Pair, Sample


@dataclass(frozen=True)
class Counted:
    """It is greater by at most `margin`, from 0, below 1; or less, where less is worse."""

    name: str
    margin: float
    less_is_worse: bool = False

    def claims(self, now: Pair, before: Pair) -> Claims:
        """One."""
        greater = no_greater(partial(_counts, self.name), now, before, self.margin)
        claim = greater.of_rest() if self.less_is_worse else greater
        return Claims((claim,), (claim.reversed(),))

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """Shares."""
        canary, stable = _counts(self.name, seen.canary), _counts(self.name, seen.stable)
        sign = "-" if self.less_is_worse else "+"
        return Comparison(
            canary.share(),
            stable.share(),
            f"{percent(canary.share())} of {canary.total} at the canary, {percent(stable.share())} of {stable.total} "
            f"at stable; allowed: {percent(stable.share())} {sign} {percent(self.margin)}",
        )


def _counts(name: str, sample: Sample) -> Counts:
    return Counts(*sample.counted.get(name, (0.0, 0)))
