"""Do the canary's predictions fall into other bins than the stable revision's?

Bins are classes or ranges of numbers. Their set is fixed by the first look that has any; what falls into none of them
later is counted as another bin.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from afina_operator.judge.metric import Claims, Comparison, no_greater, percent
from afina_operator.judge.proportions import Counts
from afina_operator.judge.sample import Pair, Sample

_OTHER = "(other)"
_MAX_BINS = 50
_MAX_NAME = 63
"""Characters. The names of bins come from the model, and are kept in the object's status."""


@dataclass(frozen=True)
class Drift:
    """No bin's share differs by more than `change`, above 0, below 1."""

    change: float
    name: str = "predictions"

    def claims(self, now: Pair, before: Pair) -> Claims:
        """Two for each bin: that its share did not grow, that it did not shrink."""
        bins = before.stable.predictions
        not_grown = [no_greater(partial(_in, name), now, before, self.change) for name in bins]
        tolerated = tuple(claim for one in not_grown for claim in (one, one.of_rest()))
        return Claims(tolerated, tuple(claim.reversed() for claim in tolerated))

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """Shares of a bin."""
        names = [name for name in seen.stable.predictions for _ in ("grown", "shrunk")]
        _, name = max(zip(against, names, strict=False), default=(0.0, _OTHER))
        canary, stable = _in(name, seen.canary), _in(name, seen.stable)
        return Comparison(
            canary.share(),
            stable.share(),
            f"{percent(canary.share())} of {canary.total} canary predictions are {name!r}, {percent(stable.share())} "
            f"of {stable.total} stable ones; allowed: {percent(stable.share())} ± {percent(self.change)}",
        )


def binned(now: Pair, before: Pair) -> Pair:
    """The look with its predictions in the bins of the looks before, or in those of its own if there are none."""
    names = [*before.stable.predictions] or _most_frequent(now)
    if not names:
        return now
    return Pair(_rebinned(now.canary, names), _rebinned(now.stable, names))


def _most_frequent(now: Pair) -> list[str]:
    counts = Counter(now.stable.predictions) + Counter(now.canary.predictions)
    return [_OTHER, *(name for name, _ in counts.most_common(_MAX_BINS) if _is_showable(name))] if counts else []


def _is_showable(name: str) -> bool:
    return len(name) <= _MAX_NAME and name.isprintable()


def _rebinned(sample: Sample, names: list[str]) -> Sample:
    known = {name: sample.predictions.get(name, 0) for name in names if name != _OTHER}
    other = sum(sample.predictions.values()) - sum(known.values())
    return sample.model_copy(update={"predictions": {**known, _OTHER: other}})


def _in(name: str, sample: Sample) -> Counts:
    return Counts(sample.predictions.get(name, 0), sum(sample.predictions.values()))
