"""From looks to a verdict: each reason, what is kept between looks, and what an edited status does."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from afina_operator.judge import Evidence, Limits, Outcome, Reason, Sample, judge, look
from support.samples import a_sample

LIMITS = Limits(min_samples=100, max_error_share_increase=0.05, max_latency_ratio=1.5)
WITH_DRIFT = replace(LIMITS, max_prediction_drift=0.1)

GOOD = a_sample(100, 1)
STABLE = a_sample(900, 9)
FAILING = a_sample(100, 30)
SLOW = a_sample(100, 1, {1.0: 100})


def kept(evidence: Evidence) -> str:
    """As the status keeps it."""
    return evidence.model_dump_json(exclude_defaults=True)


def restored(text: str) -> Evidence:
    """From the status, or anew."""
    try:
        return Evidence.model_validate_json(text)
    except ValidationError:
        return Evidence()


def after(*looks: tuple[Sample | None, Sample | None], limits: Limits = LIMITS) -> Evidence:
    """Every look reads what the one before wrote."""
    evidence = Evidence()
    for canary, stable in looks:
        evidence = look(restored(kept(evidence)), canary, stable, limits)
    return evidence


@pytest.mark.parametrize(
    ("looks", "limits", "outcome", "reason"),
    [
        ([], LIMITS, Outcome.INCONCLUSIVE, Reason.TOO_FEW_SAMPLES),
        ([(Sample(), STABLE)] * 50, LIMITS, Outcome.INCONCLUSIVE, Reason.TOO_FEW_SAMPLES),
        ([(GOOD, Sample())] * 50, LIMITS, Outcome.INCONCLUSIVE, Reason.TOO_FEW_SAMPLES),
        ([(GOOD, STABLE)] * 20, LIMITS, Outcome.PASS, Reason.WITHIN_LIMITS),
        ([(GOOD, STABLE)] * 20, replace(LIMITS, min_samples=2001), Outcome.INCONCLUSIVE, Reason.TOO_FEW_SAMPLES),
        ([(GOOD, STABLE)] * 2, LIMITS, Outcome.INCONCLUSIVE, Reason.UNDECIDED),
        ([(GOOD, STABLE)] * 20, WITH_DRIFT, Outcome.INCONCLUSIVE, Reason.UNDECIDED),
        ([*[(GOOD, STABLE)] * 20, (None, STABLE)], LIMITS, Outcome.INCONCLUSIVE, Reason.METRICS_UNREAD),
        ([*[(GOOD, STABLE)] * 20, (GOOD, None)], LIMITS, Outcome.INCONCLUSIVE, Reason.METRICS_UNREAD),
        ([*[(GOOD, STABLE)] * 20, (None, None), (GOOD, STABLE)], LIMITS, Outcome.PASS, Reason.WITHIN_LIMITS),
        ([(Sample(requests=100), Sample(requests=900))] * 20, LIMITS, Outcome.INCONCLUSIVE, Reason.UNDECIDED),
        ([(FAILING, STABLE)], replace(LIMITS, min_samples=10_000), Outcome.FAIL, Reason.BEYOND_LIMIT),
        ([(FAILING, STABLE), (None, STABLE)], LIMITS, Outcome.FAIL, Reason.BEYOND_LIMIT),
        ([(Sample(), STABLE), (SLOW, STABLE)], LIMITS, Outcome.FAIL, Reason.BEYOND_LIMIT),
        ([(a_sample(100, 7), STABLE)] * 20, LIMITS, Outcome.INCONCLUSIVE, Reason.UNDECIDED),
    ],
    ids=[
        "no look",
        "no canary traffic",
        "no stable traffic",
        "a good canary",
        "a good canary, more samples wanted",
        "a good canary, little evidence",
        "a good canary, but no predictions are counted",
        "the canary's metrics are unread now",
        "the stable revision's metrics are unread now",
        "the metrics were unread before",
        "no latencies are measured",
        "many errors, few samples",
        "many errors, then unread metrics",
        "slow in the first look with traffic",
        "a few more errors",
    ],
)
def test_verdict(
    looks: list[tuple[Sample | None, Sample | None]], limits: Limits, outcome: Outcome, reason: Reason
) -> None:
    verdict = judge(after(*looks, limits=limits), limits)
    assert (verdict.outcome, verdict.reason) == (outcome, reason), verdict.message


def test_messages_name_the_numbers() -> None:
    failed = judge(after((FAILING, STABLE)), LIMITS)
    assert failed.message == "errors: 30 % of 100 canary requests failed, 1 % of 900 stable ones; allowed: 1 % + 5 %"
    errors, latency = failed.findings
    assert (errors.outcome, errors.canary, errors.stable) == (Outcome.FAIL, 0.3, 0.01)
    assert (latency.outcome, latency.canary, latency.message) == (
        Outcome.INCONCLUSIVE,
        None,
        "latency: nothing to compare yet",
    )
    few = judge(after((a_sample(37), STABLE)), LIMITS)
    assert few.message == "100 requests are wanted at each side: 37 at canary, 900 at stable"
    assert judge(after((None, None)), LIMITS).message == "no metrics of canary and stable in the last look"


@pytest.mark.parametrize("metrics", [2, 3])
def test_the_more_metrics_the_more_evidence_is_wanted_for_a_fail(metrics: int) -> None:
    limits = LIMITS if metrics == 2 else WITH_DRIFT
    for factor, outcome in ((0.99, Outcome.INCONCLUSIVE), (1.01, Outcome.FAIL)):
        wealth = {"errors": {"harmless": (math.log(factor * metrics / limits.alpha),)}}
        evidence = Evidence.model_validate({"wealth": wealth})
        assert judge(evidence, limits).outcome is outcome


def test_a_pass_wants_evidence_of_every_claim() -> None:
    evidence = after(*[(GOOD, STABLE)] * 20)
    for factor, outcome in ((0.99, Outcome.INCONCLUSIVE), (1.01, Outcome.PASS)):
        harmful = (5.0, math.log(factor / LIMITS.alpha))
        latency = evidence.wealth["latency"].model_copy(update={"harmful": harmful})
        changed = evidence.model_copy(update={"wealth": {**evidence.wealth, "latency": latency}})
        assert judge(changed, LIMITS).outcome is outcome


def test_evidence_of_harm_is_the_mean_over_the_claims() -> None:
    wealth = Evidence.model_validate({"wealth": {"latency": {"harmless": (math.log(30), math.log(60))}}}).wealth
    assert wealth["latency"].of_harm() == pytest.approx(math.log(45))


@pytest.mark.parametrize(
    "counts",
    [
        {"requests": math.nan},
        {"requests": -1},
        {"requests": 10.5},
        {"requests": 10, "errors": 11},
        {"requests": 10, "latencies": (10,)},
        {"requests": 10, "predictions": {"a": math.nan}},
    ],
)
def test_what_is_no_count_is_no_sample(counts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Sample"):
        Sample.model_validate(counts)


def test_what_is_kept_is_small_and_comes_back() -> None:
    predictions = {"yes": 50, "no": 50}
    a, b = a_sample(100, 1, predictions=predictions), a_sample(900, 9, predictions=predictions)
    evidence = after(*[(a, b)] * 30, limits=WITH_DRIFT)
    assert Evidence.model_validate_json(kept(evidence)) == evidence
    assert len(kept(evidence)) < 2000


KEPT = kept(after((GOOD, STABLE), (None, STABLE), (FAILING, STABLE)))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@given(st.data(), json_values)
def test_no_edited_status_makes_the_judge_raise(data: st.DataObject, value: Any) -> None:
    status = json.loads(KEPT)
    status["canary"]["predictions"] = status["stable"]["predictions"] = {"(other)": 3, "a": 4}
    status["wealth"]["predictions"] = {"harmless": [0.0] * 4, "harmful": [0.0] * 4}
    container, key = data.draw(st.sampled_from(places(status)))
    container[key] = value
    evidence = restored(json.dumps(status))
    judge(evidence, WITH_DRIFT)
    judge(look(evidence, GOOD, STABLE, WITH_DRIFT), WITH_DRIFT)


@pytest.mark.parametrize(
    "edited",
    [
        {"canary": {"requests": 10**400}},
        {"wealth": {"errors": {"harmless": [-1e9]}}},
        {"wealth": {"predictions": {"harmless": [0.0, 1.0]}}},
        {"wealth": {"latency": {"harmless": [0.0, 1.0, 2.0]}}},
        {"wealth": {"latency": {"harmful": [1e300, 1e300]}}},
    ],
    ids=["endless count", "no wealth", "wealth without bins", "wealth of too many claims", "endless wealth"],
)
def test_an_edited_status_decides_nothing(edited: dict[str, Any]) -> None:
    evidence = restored(json.dumps(edited))
    assert judge(evidence, WITH_DRIFT).outcome is Outcome.INCONCLUSIVE
    assert judge(look(evidence, GOOD, STABLE, WITH_DRIFT), WITH_DRIFT).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", '{"version": 1}', '{"wealth": {"errors": {"harmless": [NaN]}}}']
)
def test_what_is_no_evidence_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Evidence.model_validate_json(text)
