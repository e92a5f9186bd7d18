"""Bets on proportions: fair whatever the claim's true shares are, and worth making."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afina_operator.judge.proportions import Claim, Counts, log_factor

SHARES = (0.0, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1.0)
BEFORE = (Counts(), Counts(0, 50), Counts(5, 10), Counts(90, 90))
ENOUGH = math.log(1 / 0.05)

counts = st.integers(0, 10**7).flatmap(lambda total: st.builds(Counts, st.integers(0, total), st.just(total)))
claims = st.builds(Claim, counts, counts, counts, counts, st.floats(-0.99, 0.99))


def chance(hits: int, total: int, share: float) -> float:
    return math.comb(total, hits) * share**hits * (1 - share) ** (total - hits)


Factors = dict[tuple[int, int], float]
"""By the hits on either side."""


def factors(sizes: tuple[int, int], before: tuple[Counts, Counts], margin: float) -> Factors:
    """Of all that a look of that size can show."""
    canary, stable = sizes
    return {
        (a, b): math.exp(log_factor(Claim(Counts(a, canary), Counts(b, stable), *before, margin)))
        for a, b in product(range(canary + 1), range(stable + 1))
    }


def expected(factors: Factors, sizes: tuple[int, int], p: float, q: float) -> float:
    """If the canary's share is p and the stable one q."""
    return sum(chance(a, sizes[0], p) * chance(b, sizes[1], q) * factor for (a, b), factor in factors.items())


@pytest.mark.parametrize("margin", [-0.9, -0.3, -0.01, 0.0, 0.01, 0.05, 0.2, 0.7])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 9), (3, 2), (6, 1)])
def test_no_look_is_expected_to_win_against_a_true_claim(sizes: tuple[int, int], margin: float) -> None:
    pairs = product({*SHARES, *(share + margin for share in SHARES)}, SHARES)
    true = [(p, q) for p, q in pairs if 0 <= p <= min(q + margin, 1)]
    for before in product(BEFORE, BEFORE):
        possible = factors(sizes, before, margin)
        assert max(expected(possible, sizes, p, q) for p, q in true) <= 1 + 1e-12, before


@pytest.mark.parametrize("margin", [-0.3, 0.0, 0.01, 0.2])
def test_a_look_is_expected_to_win_against_a_false_claim(margin: float) -> None:
    sizes = (3, 9)
    assert expected(factors(sizes, (Counts(4500, 5000), Counts(2000, 5000)), margin), sizes, 0.9, 0.4) > 1.1


@given(claims)
def test_any_counts_give_a_finite_factor(claim: Claim) -> None:
    assert math.isfinite(log_factor(claim))


@given(claims)
def test_a_claim_reversed_twice_is_itself(claim: Claim) -> None:
    assert claim.reversed().reversed() == claim
    assert claim.of_rest().of_rest() == claim


@pytest.mark.parametrize("sides", [(Counts(), Counts(5, 9)), (Counts(5, 9), Counts())])
def test_a_look_without_traffic_on_one_side_shows_nothing(sides: tuple[Counts, Counts]) -> None:
    assert log_factor(Claim(*sides, Counts(90, 90), Counts(5, 90), 0.01)) == 0


def wealth(looks: list[tuple[Counts, Counts]], margin: float, *, is_reversed: bool = False) -> list[float]:
    """Logarithm of the wealth after each look."""
    log, logs = 0.0, []
    canary = stable = Counts()
    for a, b in looks:
        claim = Claim(a, b, canary, stable, margin)
        log += log_factor(claim.reversed() if is_reversed else claim)
        canary = Counts(canary.hits + a.hits, canary.total + a.total)
        stable = Counts(stable.hits + b.hits, stable.total + b.total)
        logs.append(log)
    return logs


def test_many_more_bad_ones_are_seen_in_the_first_look() -> None:
    assert wealth([(Counts(30, 100), Counts(9, 900))], 0.01)[0] > ENOUGH


def test_few_more_bad_ones_are_seen_in_time() -> None:
    looks = [(Counts(6, 100), Counts(5, 900))] * 10
    assert wealth(looks, 0.01)[-1] > ENOUGH


def test_as_few_bad_ones_are_seen_to_be_harmless() -> None:
    looks = [(Counts(0, 100), Counts(1, 900)), (Counts(1, 100), Counts(8, 900))] * 15
    assert wealth(looks, 0.01, is_reversed=True)[-1] > ENOUGH


def test_a_canary_that_breaks_after_many_good_looks_is_seen_at_once() -> None:
    good, bad = (Counts(1, 100), Counts(9, 900)), (Counts(30, 100), Counts(9, 900))
    logs = wealth([good] * 100 + [bad], 0.01)
    assert max(logs[:100]) < 1
    assert logs[100] > ENOUGH


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(("stable", "margin"), [(0.005, 0.01), (0.3, 0.0), (0.6, 0.1)])
def test_alarms_at_the_very_margin_are_rarer_than_alpha(stable: float, margin: float, is_reversed: bool) -> None:
    random = np.random.default_rng(7)
    streams, sizes = 100, random.integers(1, 60, 40)
    alarms = 0
    for _ in range(streams):
        looks = [
            (Counts(int(random.binomial(n, stable + margin)), n), Counts(int(random.binomial(5 * n, stable)), 5 * n))
            for n in map(int, sizes)
        ]
        alarms += max(wealth(looks, margin, is_reversed=is_reversed)) >= ENOUGH
    assert alarms <= 0.05 * streams
