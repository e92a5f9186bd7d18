"""Latency: which bounds are compared, and what is shown by them."""

import math

import pytest

from afina_api.serving import LATENCY_BOUNDS
from afina_operator.judge.latency import Latency
from afina_operator.judge.metric import Claims
from afina_operator.judge.proportions import Counts, log_factor
from afina_operator.judge.sample import Pair, Sample
from support.samples import a_sample

SLOW_TAIL = {0.1: 90, 0.3: 10}


def between(index: int) -> float:
    """Seconds within the bucket that ends at the bound of that index."""
    return LATENCY_BOUNDS[index] / 1.05


def shown(canary: Sample, stable: Sample, ratio: float, looks: int = 30) -> tuple[bool, bool]:
    """Whether harm and safety are shown by so many looks that are all the same."""
    harm, safety = [0.0, 0.0], [0.0, 0.0]
    before = Pair(Sample(), stable)
    for _ in range(looks):
        claims = Latency(ratio).claims(Pair(canary, stable), before)
        harm = [log + log_factor(claim) for log, claim in zip(harm, claims.harmless, strict=True)]
        safety = [log + log_factor(claim) for log, claim in zip(safety, claims.harmful, strict=True)]
        before = Pair(before.canary + canary, before.stable + stable)
    return max(harm) > math.log(40), min(safety) > math.log(20)


def test_bounds_are_geometric_from_half_a_millisecond_to_a_minute() -> None:
    assert LATENCY_BOUNDS[0] == 0.0005
    assert LATENCY_BOUNDS[-2] < 60 < LATENCY_BOUNDS[-1]


@pytest.mark.parametrize(
    ("ratio", "harm", "safety"), [(1.1, 1, 1), (1.21, 2, 2), (1.5, 5, 4), (1.1**7, 7, 7), (2.0, 8, 7)]
)
def test_a_limit_between_bounds_is_rounded_to_the_cautious_side(ratio: float, harm: int, safety: int) -> None:
    stable = a_sample(seconds={between(50): 60, between(60): 40})
    canary = a_sample(seconds={between(index): 1 for index in range(124)})
    claims = Latency(ratio).claims(Pair(canary, stable), Pair(Sample(), stable))
    above = [claim.canary for claim in claims.harmless]
    assert above == [Counts(124 - 61 - harm, 124), Counts(124 - 51 - harm, 124)]
    within = [claim.canary for claim in claims.harmful]
    assert within == [Counts(60 + safety, 124), Counts(50 + safety, 124)]


@pytest.mark.parametrize(
    ("canary", "stable", "harm", "safety"),
    [
        ({0.1: 100}, {0.1: 100}, False, True),
        (SLOW_TAIL, SLOW_TAIL, False, True),
        ({0.0001: 100}, {0.0001: 100}, False, True),
        ({0.0001: 100}, {0.0004: 100}, False, True),
        ({0.13: 100}, {0.1: 100}, False, True),
        ({0.155: 100}, {0.1: 100}, False, False),
        ({0.2: 100}, {0.1: 100}, True, False),
        ({0.1: 90, 0.6: 10}, SLOW_TAIL, True, False),
        ({0.2: 90, 0.3: 10}, SLOW_TAIL, True, False),
        ({0.002: 100}, {0.0001: 100}, True, False),
        ({500: 100}, {0.1: 100}, True, False),
        ({500: 100}, {500: 100}, False, False),
        ({0.05: 100}, {0.1: 100}, False, True),
    ],
    ids=[
        "the same",
        "the same slow tail",
        "under the first bound",
        "different, but under the first bound",
        "a little slower",
        "about as slow as is allowed",
        "slower",
        "a slower tail",
        "a slower median",
        "slower than any stable one",
        "beyond the last bound",
        "both beyond the last bound",
        "faster",
    ],
)
def test_harm_and_safety(canary: dict[float, int], stable: dict[float, int], harm: bool, safety: bool) -> None:
    assert shown(a_sample(seconds=canary), a_sample(seconds=stable), 1.5) == (harm, safety)


@pytest.mark.parametrize("stable", [Sample(), a_sample(0)], ids=["unread", "no traffic"])
def test_without_earlier_latencies_of_stable_nothing_is_claimed(stable: Sample) -> None:
    now = Pair(a_sample(), a_sample())
    assert Latency(1.5).claims(now, Pair(a_sample(), stable)) == Claims()


def test_what_the_look_shows_does_not_choose_the_bounds() -> None:
    before = Pair(Sample(), a_sample(seconds={0.1: 100}))
    claims = Latency(1.5).claims(Pair(a_sample(), a_sample(seconds={9.0: 70, 0.1: 30})), before)
    assert [claim.stable for claim in claims.harmless] == [Counts(70, 100), Counts(70, 100)]


def test_the_words_are_of_the_worse_quantile() -> None:
    seen = Pair(a_sample(seconds={0.2: 90, 500.0: 10}), a_sample(seconds=SLOW_TAIL))
    tail = Latency(1.5).compare(seen, (2.0, 1.0))
    assert tail.canary == math.inf
    assert tail.stable == pytest.approx(0.3, rel=0.1)
    assert "95 % of 100 canary requests took more than 61.7 s" in tail.text
    median = Latency(1.5).compare(seen, (1.0, 2.0))
    assert median.canary == pytest.approx(0.2, rel=0.1)
    assert "50 % of 100 canary requests took at most 0.2" in median.text
    assert "an unknown time" in Latency(1.5).compare(Pair(Sample(), Sample()), (0.0, 0.0)).text
