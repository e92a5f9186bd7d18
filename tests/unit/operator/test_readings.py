"""What was counted between two looks, from counters that go on, begin anew, or do not answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afina_operator.modeldeployment.readings import Batch, Reading, Readings, Told, parse

OK, FAILED = ("afina_model_requests_total", "200"), ("afina_model_requests_total", "500")


def reading(**pods: int) -> Reading:
    """Pods that have answered so many requests."""
    return Reading({pod: {OK: float(count)} for pod, count in pods.items()})


def counted(readings: Readings, look: int, **pods: int) -> int | None:
    found = readings.batches("uid", "rollout", look, {"canary": reading(**pods)})
    batch = found["canary"] if found else None
    return batch.codes["200"] if batch else None


def test_begins_to_count_with_the_first_look() -> None:
    readings = Readings()
    assert counted(readings, 0, a=100) is None
    assert counted(readings, 0, a=130) == 30


def test_a_look_that_was_not_recorded_is_made_again_upon_the_same() -> None:
    readings = Readings()
    counted(readings, 0, a=100)
    assert counted(readings, 0, a=130) == 30
    assert counted(readings, 0, a=150) == 50
    assert counted(readings, 1, a=160) == 10


def test_a_counter_that_began_anew_counts_from_nothing() -> None:
    readings = Readings()
    counted(readings, 0, a=100)
    assert counted(readings, 0, a=7) == 7


def test_all_counters_of_a_container_begin_anew_together() -> None:
    readings = Readings()
    before, now = Reading({"a": {OK: 100.0, FAILED: 1.0}}), Reading({"a": {OK: 7.0, FAILED: 3.0}})
    readings.batches("uid", "rollout", 0, {"canary": before})
    found = readings.batches("uid", "rollout", 0, {"canary": now})
    assert found
    assert found["canary"]
    assert found["canary"].codes == {"200": 7, "500": 3}


def test_a_new_pod_counts_from_nothing_and_one_that_is_silent_from_where_it_was() -> None:
    readings = Readings()
    counted(readings, 0, a=100, b=10)
    assert counted(readings, 0, b=12, c=5) == 7
    assert counted(readings, 1, a=108, b=12, c=5) == 8


def test_a_revision_of_which_nobody_answers_is_unread() -> None:
    readings = Readings()
    counted(readings, 0, a=100)
    assert readings.batches("uid", "rollout", 0, {"canary": Reading({})}) == {"canary": None}


def test_another_rollout_begins_anew() -> None:
    readings = Readings()
    counted(readings, 0, a=100)
    assert readings.batches("uid", "another", 0, {"canary": reading(a=130)}) is None


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=10))
def test_nothing_is_counted_twice_however_often_a_look_is_repeated(looks: list[list[int]]) -> None:
    readings, total, counted_in_all = Readings(), 0, 0
    counted(readings, 0, a=0)
    for number, repeated in enumerate(looks):
        for more in repeated:
            total += more
            last = counted(readings, number, a=total)
        counted_in_all += last or 0
    assert counted_in_all == total


TEXT = """\
# HELP afina_model_requests_total Requests.
# TYPE afina_model_requests_total counter
afina_model_requests_total{code="200"} 12.0
# TYPE afina_model_request_seconds histogram
afina_model_request_seconds_bucket{le="0.0005"} 4.0
afina_model_request_seconds_bucket{le="+Inf"} 12.0
# TYPE afina_model_uncertainty histogram
afina_model_uncertainty_bucket{le="+Inf"} 3.0
afina_model_uncertainty_count 3.0
afina_model_uncertainty_sum 0.7000000000000001
# TYPE python_info gauge
python_info{version="3.11"} 1.0
"""


def test_reads_the_text_format() -> None:
    found = parse(TEXT)
    assert found[OK] == 12
    assert found["afina_model_request_seconds_bucket", "+Inf"] == 12
    assert found["afina_model_uncertainty_sum", ""] == 0.7000000000000001
    assert len(found) == 5


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
def test_refuses_counters_that_are_no_counts(value: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        parse(TEXT.replace("12.0", value, 1))


@pytest.mark.parametrize("text", ["afina_model_requests_total{code=", "afina_model_requests_total{code='200'} x"])
def test_refuses_what_is_no_such_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"no metrics|could not convert|Invalid"):
        parse(text)


def test_buckets_are_told_apart() -> None:
    readings = Readings()
    buckets = {("afina_model_request_seconds_bucket", bound): 0.0 for bound in ("0.1", "0.2", "+Inf")}
    readings.batches("uid", "rollout", 0, {"canary": Reading({"a": buckets})})
    now = dict(zip(buckets, [1.0, 4.0, 5.0], strict=True))
    found = readings.batches("uid", "rollout", 0, {"canary": Reading({"a": now})})
    assert found
    assert found["canary"]
    assert found["canary"].seconds == {0.1: 1, 0.2: 3, math.inf: 1}


def test_parts_of_a_sum_are_kept() -> None:
    readings = Readings()
    doubts, doubted = ("afina_model_uncertainty_sum", ""), ("afina_model_uncertainty_count", "")
    readings.batches("uid", "rollout", 0, {"canary": Reading({"a": {doubts: 0.25, doubted: 1.0}})})
    found = readings.batches("uid", "rollout", 0, {"canary": Reading({"a": {doubts: 1.5, doubted: 4.0}})})
    assert found
    assert found["canary"]
    assert found["canary"].uncertainty == (1.25, 3)


def told(readings: Readings, look: int, total: tuple[float, int] | None, problem: str = "") -> Batch | None:
    """What others count of a canary whose pod answers."""
    counted = {} if total is None else {"clicks": total}
    found = readings.batches("uid", "rollout", look, {"canary": Reading({"a": {OK: 1.0}}, Told(counted, problem))})
    return found["canary"] if found else None


def test_what_others_counted_before_the_first_look_is_left_out() -> None:
    readings = Readings()
    assert told(readings, 0, (500.0, 1000)) is None
    found = told(readings, 0, (510.5, 1030))
    assert found
    assert found.counted == {"clicks": (10.5, 30)}


def test_what_others_begin_to_count_later_is_left_out_at_first() -> None:
    readings = Readings()
    told(readings, 0, None)
    first, second = told(readings, 0, (500.0, 1000)), told(readings, 1, (510.0, 1030))
    assert first
    assert (first.counted, first.problem) == ({}, "clicks begins to count now")
    assert second
    assert second.counted == {"clicks": (10.0, 30)}


@pytest.mark.parametrize("fallen", [(400.0, 1000), (500.0, 900), (0.0, 0)])
def test_a_counter_of_others_that_fell_begins_anew(fallen: tuple[float, int]) -> None:
    readings = Readings()
    told(readings, 0, (500.0, 1000))
    first, second = told(readings, 0, fallen), told(readings, 1, (fallen[0] + 3, fallen[1] + 9))
    assert first
    assert first.counted == {}
    assert second
    assert second.counted == {"clicks": (3.0, 9)}


def test_hits_that_are_ahead_of_the_total_wait_for_it() -> None:
    readings = Readings()
    told(readings, 0, (500.0, 1000))
    first, second = told(readings, 0, (510.0, 1000)), told(readings, 1, (510.0, 1012))
    assert first
    assert (first.counted, first.problem) == ({}, "hits of clicks grew by more than its total")
    assert second
    assert second.counted == {"clicks": (10.0, 12)}


def test_what_others_do_not_tell_now_they_may_tell_next_time() -> None:
    readings = Readings()
    told(readings, 0, (500.0, 1000))
    first, second = told(readings, 0, None, "it is silent"), told(readings, 1, (510.0, 1030))
    assert first
    assert (first.counted, first.problem) == ({}, "it is silent")
    assert second
    assert second.counted == {"clicks": (10.0, 30)}
