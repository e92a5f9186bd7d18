"""What others count: where more is worse, where less is, and where it could not be read."""

from dataclasses import replace

import pytest

from afina_operator.judge import Counted, Evidence, Limits, Outcome, Reason, Sample, Verdict, judge, look
from support.samples import a_sample

COMPLAINTS, CLICKS = Counted("complaints", 0.05), Counted("clicks", 0.05, less_is_worse=True)
LIMITS = Limits(min_samples=100, max_error_share_increase=0.05, max_latency_ratio=1.5)
WITH = {one.name: replace(LIMITS, counted=(one,)) for one in (COMPLAINTS, CLICKS)}


def counted(requests: int, **hits: float) -> Sample:
    """Good requests, of each of which something else is known."""
    return a_sample(requests).model_copy(update={"counted": {name: (one, requests) for name, one in hits.items()}})


def judged(looks: list[tuple[Sample, Sample]], limits: Limits) -> Verdict:
    evidence = Evidence()
    for canary, stable in looks:
        evidence = look(evidence, canary, stable, limits)
    return judge(evidence, limits)


@pytest.mark.parametrize(
    ("name", "canary", "stable", "outcome"),
    [
        ("complaints", 10, 10, Outcome.PASS),
        ("complaints", 40, 10, Outcome.FAIL),
        ("complaints", 15, 10, Outcome.INCONCLUSIVE),
        ("complaints", 1, 20, Outcome.PASS),
        ("clicks", 90, 90, Outcome.PASS),
        ("clicks", 60, 90, Outcome.FAIL),
        ("clicks", 85, 90, Outcome.INCONCLUSIVE),
        ("clicks", 99, 80, Outcome.PASS),
        ("clicks", 90.5, 90.25, Outcome.PASS),
    ],
)
def test_verdict(name: str, canary: float, stable: float, outcome: Outcome) -> None:
    looks = [(counted(100, **{name: canary}), counted(100, **{name: stable}))] * 30
    assert judged(looks, WITH[name]).outcome is outcome


def test_the_words_have_the_allowance_on_its_side() -> None:
    for name, text in (
        ("complaints", "complaints: 40 % of 100 at the canary, 10 % of 100 at stable; allowed: 10 % + 5 %"),
        ("clicks", "clicks: 40 % of 100 at the canary, 10 % of 100 at stable; allowed: 10 % - 5 %"),
    ):
        look_at = counted(100, **{name: 40}), counted(100, **{name: 10})
        assert judged([look_at], WITH[name]).findings[-1].message == text


def test_what_is_unread_passes_nobody_and_keeps_what_was_shown() -> None:
    limits, good = WITH["complaints"], (counted(100, complaints=1), counted(100, complaints=1))
    unread = counted(100), counted(100, complaints=1)
    verdict = judged([*[good] * 30, unread], limits)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.METRICS_UNREAD)
    assert verdict.message == "no complaints of canary in the last look"
    assert judged([*[good] * 30, unread, good], limits).outcome is Outcome.PASS


def test_a_canary_that_fails_otherwise_fails_unread() -> None:
    assert judged([(a_sample(100, 60), a_sample(900, 9))] * 3, WITH["complaints"]).outcome is Outcome.FAIL


def test_before_anything_is_counted_nothing_is_shown() -> None:
    verdict = judged([(counted(0, complaints=0), counted(0, complaints=0))], WITH["complaints"])
    assert "complaints: none of 0 at the canary" in verdict.findings[-1].message
    none = {"counted": {"complaints": (0.0, 0)}}
    looks = [(a_sample(100).model_copy(update=none), a_sample(900).model_copy(update=none))] * 50
    assert judged(looks, WITH["complaints"]).reason is Reason.UNDECIDED


@pytest.mark.parametrize("total", [(3.0, 2), (-1.0, 2), (1.0, -2)])
def test_more_hits_than_all_are_no_sample(total: tuple[float, int]) -> None:
    with pytest.raises(ValueError, match="Sample"):
        Sample.model_validate({"counted": {"complaints": total}})
