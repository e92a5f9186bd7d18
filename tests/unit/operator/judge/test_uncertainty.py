"""Uncertainty: a mean of numbers from 0 to 1 is bet on as fairly as a share, and what is shown by it."""

import math
from itertools import product

import numpy as np
import pytest

from afina_operator.judge import Evidence, Finding, Limits, Outcome, Sample, judge, look
from afina_operator.judge.proportions import Claim, Counts, log_factor

MARGIN = 0.05
LIMITS = Limits(min_samples=1, max_error_share_increase=0.1, max_latency_ratio=1.5, max_uncertainty_increase=MARGIN)

Chances = dict[float, float]
"""Of the numbers that a row may have."""
CHANCES: list[Chances] = [
    {0.0: 0.5, 1.0: 0.5},
    {0.5: 1.0},
    {0.0: 0.2, 0.3: 0.5, 1.0: 0.3},
    {0.1: 0.6, 0.35: 0.4},
    {0.2: 1.0},
    {0.95: 0.9, 1.0: 0.1},
]


def mean(chances: Chances) -> float:
    return sum(number * chance for number, chance in chances.items())


def expected(sizes: tuple[int, int], sides: tuple[Chances, Chances], before: tuple[Counts, Counts], m: float) -> float:
    """The factor of a look of that size, over all that it can show."""
    rows = [sides[0]] * sizes[0] + [sides[1]] * sizes[1]
    found = 0.0
    for shown in product(*rows):
        chance = math.prod(row[number] for row, number in zip(rows, shown, strict=True))
        canary, stable = (Counts(sum(part), len(part)) for part in (shown[: sizes[0]], shown[sizes[0] :]))
        found += chance * math.exp(log_factor(Claim(canary, stable, *before, m)))
    return found


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3)])
@pytest.mark.parametrize(("canary", "stable"), list(product(CHANCES, CHANCES)))
def test_no_look_at_numbers_is_expected_to_win_against_a_true_claim(
    sizes: tuple[int, int], canary: Chances, stable: Chances
) -> None:
    margin = mean(canary) - mean(stable)
    if abs(margin) < 1:
        counts = Counts(), Counts(4.5, 10), Counts(45, 50)
        for before in product(counts, counts):
            assert expected(sizes, (canary, stable), before, margin) <= 1 + 1e-12, before


def uncertain(random: np.random.Generator, share: float, rows: int) -> Sample:
    """So many rows, with a mean uncertainty of that share."""
    return Sample(requests=rows, uncertainty=(float(random.beta(10 * share, 10 * (1 - share), rows).sum()), rows))


def found(evidence: Evidence) -> Finding:
    return judge(evidence, LIMITS).findings[-1]


def outcomes(canary: float, stable: float, *, streams: int, looks: int) -> list[Outcome]:
    """What comes of each stream first."""
    ends = []
    for seed in range(streams):
        random, evidence = np.random.default_rng(seed), Evidence()
        for _ in range(looks):
            evidence = look(evidence, uncertain(random, canary, 20), uncertain(random, stable, 100), LIMITS)
            if found(evidence).outcome is not Outcome.INCONCLUSIVE:
                break
        ends.append(found(evidence).outcome)
    return ends


def test_alarms_and_passes_at_the_very_limit_are_rarer_than_alpha() -> None:
    ends = outcomes(0.3 + MARGIN, 0.3, streams=100, looks=50)
    assert ends.count(Outcome.FAIL) <= 5
    assert ends.count(Outcome.PASS) <= 5


def test_a_canary_that_is_less_sure_fails() -> None:
    assert outcomes(0.5, 0.3, streams=10, looks=50) == [Outcome.FAIL] * 10


def test_a_canary_that_is_as_sure_passes() -> None:
    assert outcomes(0.1, 0.1, streams=10, looks=100) == [Outcome.PASS] * 10


def test_the_words_are_means() -> None:
    canary, stable = Sample(uncertainty=(20.0, 100)), Sample(uncertainty=(90.0, 900))
    assert found(look(Evidence(), canary, stable, LIMITS)).message == (
        "uncertainty: 0.2 on average of 100 canary rows, 0.1 of 900 stable ones; allowed: 0.1 + 0.05"
    )


def test_where_it_is_not_measured_nothing_is_decided() -> None:
    evidence = Evidence()
    for _ in range(50):
        evidence = look(evidence, Sample(requests=100), Sample(requests=900), LIMITS)
    assert found(evidence).outcome is Outcome.INCONCLUSIVE
    assert "unknown on average of 0 canary rows" in found(evidence).message


@pytest.mark.parametrize("uncertainty", [(3.0, 2), (-1.0, 2), (math.nan, 2), (math.inf, 2), (1.0, 1.5)])
def test_what_is_no_such_sum_is_no_sample(uncertainty: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Sample"):
        Sample.model_validate({"uncertainty": uncertainty})
