"""Does the canary give another answer than the stable revision to more rows than is allowed?"""

from collections.abc import Sequence
from dataclasses import dataclass

from afina_operator.judge.metric import Claims, Comparison, percent
from afina_operator.judge.proportions import Claim, Counts
from afina_operator.judge.sample import Pair, Sample


@dataclass(frozen=True)
class Answers:
    """To a share of at most `share` of the rows, above 0, below 1.

    As errors are compared: with the stable revision, which always gives its own answer.
    """

    share: float
    name: str = "answers"

    def claims(self, now: Pair, before: Pair) -> Claims:
        """One."""
        claim = Claim(
            canary=_changed(now.canary),
            stable=_unchanged(now.canary),
            canary_before=_changed(before.canary),
            stable_before=_unchanged(before.canary),
            margin=self.share,
        )
        return Claims((claim,), (claim.reversed(),))

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """Share of rows with another answer."""
        changed = _changed(seen.canary)
        text = f"{percent(changed.share())} of {changed.total} rows get another answer; allowed: {percent(self.share)}"
        return Comparison(changed.share(), 0.0, text)


def _changed(canary: Sample) -> Counts:
    return Counts(canary.changed, canary.compared)


def _unchanged(canary: Sample) -> Counts:
    return Counts(0, canary.compared)
