"""What every metric gives to the judge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from afina_operator.judge.proportions import Claim, Counts
from afina_operator.judge.sample import Pair, Sample


@dataclass(frozen=True)
class Claims:
    """What one look can be bet against. In every look the same claims in the same order, with their new counts."""

    harmless: tuple[Claim, ...] = ()
    """All of them are true of a canary within the limit: the wealth of bets on any of them shows harm."""
    harmful: tuple[Claim, ...] = ()
    """One of them at least is true of a canary beyond the limit: wealth from each of them shows safety."""


@dataclass(frozen=True)
class Comparison:
    """The two sides' values of a metric, None without data, and in words."""

    canary: float | None
    stable: float | None
    text: str


class Metric(Protocol):
    """Compares canary and stable in one respect. Pure; holds its limit and nothing else."""

    @property
    def name(self) -> str:
        """One word."""

    def claims(self, now: Pair, before: Pair) -> Claims:
        """The claims of a look, which depend on `before` and on the limit alone.

        Args:
            now: counts of this look.
            before: counts of all looks before; as long as they do not suffice, there are no claims.
        """

    def compare(self, seen: Pair, against: Sequence[float]) -> Comparison:
        """Say how the two sides stand, where a metric has several claims in the worst respect.

        Args:
            seen: counts of all looks.
            against: logarithm of the evidence against each harmless claim.
        """


def no_greater(counts: Callable[[Sample], Counts], now: Pair, before: Pair, margin: float) -> Claim:
    """The claim that what is counted has at most the stable share, plus the margin, at the canary."""
    return Claim(
        canary=counts(now.canary),
        stable=counts(now.stable),
        canary_before=counts(before.canary),
        stable_before=counts(before.stable),
        margin=margin,
    )


def percent(share: float | None) -> str:
    """A share for people."""
    return "none" if share is None else f"{100 * share:.3g} %"
