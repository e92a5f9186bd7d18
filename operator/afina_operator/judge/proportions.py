"""Bets against "the canary's share of something is at most the stable revision's share plus a margin".

Evidence is an e-process: the wealth of a gambler who begins with 1 and whose bets cannot win in expectation while the
claim is true. By Ville's inequality such wealth ever reaches 1 / alpha with probability alpha at most, however often
one looks (Ramdas, Grünwald, Vovk and Shafer, Game-theoretic statistics and safe anytime-valid inference, Statistical
Science 2023).

A look shows n requests, a part s of them at the canary. Let p and q be the true shares of the two sides, X and Y what
their single requests show (0 or 1), x any number, and y = x + margin. The bet pays the product of 1 + stake / s (X - y)
over the canary's requests and of 1 - stake / (1 - s) (Y - x) over the stable ones. Its expectation is

    (1 + stake / s (p - y)) ** (s n) * (1 - stake / (1 - s) (q - x)) ** ((1 - s) n)
    <= (1 + stake (p - q - margin)) ** n

as the weighted geometric mean is below the arithmetic one: 1 at most where p <= q + margin, whatever x and the stake
are, as long as they do not depend on what the look shows and no factor is negative. The sizes of looks are free, and p
and q may change from look to look.

X and Y may be any numbers from 0 to 1, and p and q their means: the bound needs no more of them. One that is v counts
as v of a hit, for which the bet pays (1 + c (1 - y)) ** v * (1 - c y) ** (1 - v), by the same inequality at most
v (1 + c (1 - y)) + (1 - v) (1 - c y) = 1 + c (v - y), which is fair. A bet that knew the variance of such numbers would
grow faster (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 2024).

With the x and the stake of `_even` the bet is the likelihood ratio of Turner, Ly
and Grünwald (Generic e-variables for exact sequential k-sample tests that allow for optional stopping, JSPI 2024), with
the margin of Turner and Grünwald (Exact anytime-valid confidence intervals for contingency tables and beyond, SPL
2023): the one whose wealth grows fastest if the guess is right.
"""

import math
from dataclasses import dataclass

_STEPS = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Guesses of the canary's share: so far from the edge of the claim to 1."""
_KEPT_BACK = 0.01
"""Part of the wealth that is spread evenly in every look, so that a canary which breaks after many good looks is seen
soon. A look costs that much at most."""
_LEAST = 1e-6


@dataclass(frozen=True)
class Counts:
    """How many of how many showed something; or the sum of numbers from 0 to 1, and how many they are."""

    hits: float = 0
    total: int = 0

    def rest(self) -> "Counts":
        """Those that did not show it."""
        return Counts(self.total - self.hits, self.total)

    def share(self) -> float | None:
        """Or mean, from 0 to 1; None of none."""
        return self.hits / self.total if self.total else None


@dataclass(frozen=True)
class Claim:
    """That the canary's share is at most the stable revision's plus the margin; and what was counted."""

    canary: Counts
    """In this look."""
    stable: Counts
    canary_before: Counts
    """In all looks before."""
    stable_before: Counts
    margin: float
    """Above -1, below 1."""

    def of_rest(self) -> "Claim":
        """The same of those that did not show it: the canary's share is at least the stable one less the margin."""
        before = (self.canary_before.rest(), self.stable_before.rest())
        return Claim(self.canary.rest(), self.stable.rest(), *before, self.margin)

    def reversed(self) -> "Claim":
        """That the canary's share is at least the stable one plus the margin."""
        rest = self.of_rest()
        return Claim(rest.canary, rest.stable, rest.canary_before, rest.stable_before, -self.margin)


def log_factor(claim: Claim) -> float:
    """Logarithm of the factor by which one look multiplies the wealth of who bets against the claim."""
    if not claim.canary.total or not claim.stable.total:
        return 0.0
    stable = (claim.stable_before.hits + 0.5) / (claim.stable_before.total + 1)
    edge = max(stable + claim.margin, _LEAST)
    if edge >= 1:
        return 0.0
    guesses = [edge + step * (1 - edge) for step in _STEPS]
    weights = _weights([edge, *guesses], claim.canary_before)
    returns = [0.0, *(_log_return(claim, guess, stable, edge) for guess in guesses)]
    highest = max(returns)
    return highest + math.log(
        sum(weight * math.exp(part - highest) for weight, part in zip(weights, returns, strict=True))
    )


def _weights(shares: list[float], seen: Counts) -> list[float]:
    """How the wealth is split over guesses, the first of which is not to bet: by what was seen before."""
    logs = [seen.hits * math.log(share) + seen.rest().hits * math.log1p(-share) for share in shares]
    likelihoods = [math.exp(log - max(logs)) for log in logs]
    whole = sum(likelihoods)
    return [(1 - _KEPT_BACK) * one / whole + _KEPT_BACK / len(shares) for one in likelihoods]


def _log_return(claim: Claim, guess: float, stable: float, edge: float) -> float:
    canary_part = claim.canary.total / (claim.canary.total + claim.stable.total)
    null, stake = _even(guess, stable, edge, claim.margin, canary_part)
    of_canary, of_stable = stake / canary_part, stake / (1 - canary_part)
    return (
        claim.canary.hits * math.log1p(of_canary * (1 - null - claim.margin))
        + claim.canary.rest().hits * math.log1p(-of_canary * (null + claim.margin))
        + claim.stable.hits * math.log1p(-of_stable * (1 - null))
        + claim.stable.rest().hits * math.log1p(of_stable * null)
    )


def _even(guess: float, stable: float, edge: float, margin: float, canary_part: float) -> tuple[float, float]:
    """The stable share at the claim's point nearest to the guess (in Kullback-Leibler divergence), and the stake.

    There the stakes that are best for either side are equal. By bisection, which need not be exact: the less of the two
    stakes leaves every factor positive, and any point makes a fair bet.
    """
    low, high = edge - margin, min(guess - margin, 1.0)
    for _ in range(16):
        null = (low + high) / 2
        canary_null = null + margin
        of_canary = canary_part * (guess - canary_null) / (canary_null * (1 - canary_null))
        of_stable = (1 - canary_part) * (null - stable) / (null * (1 - null))
        low, high = (null, high) if of_canary > of_stable else (low, null)
    return null, min(of_canary, of_stable)
