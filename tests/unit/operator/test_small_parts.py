"""Conditions, quantities, paths and comparison: the small parts that others stand on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from afina_api import quantity
from afina_operator.conditions import Condition, as_recorded, event, parse_time
from afina_operator.ownership import Owner, owner
from afina_operator.resources import EVENTS, JOBS, TUNING_JOBS, Json, contains, dig

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
JOB: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "TuningJob",
    "metadata": {"name": "a", "namespace": "lab", "uid": "u1", "generation": 3},
}


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = as_recorded(JOB, [Condition("Succeeded", "Unknown", "Pending")], NOW)
    job = {**JOB, "status": {"conditions": first}}
    later = NOW + timedelta(hours=1)
    (same,) = as_recorded(job, [Condition("Succeeded", "Unknown", "Running", "now it runs")], later)
    assert same["lastTransitionTime"] == "2026-05-01T12:00:00Z"
    assert (same["reason"], same["message"], same["observedGeneration"]) == ("Running", "now it runs", 3)
    (other,) = as_recorded(job, [Condition("Succeeded", "True", "TargetReached")], later)
    assert other["lastTransitionTime"] == "2026-05-01T13:00:00Z"


def test_a_long_message_is_cut_to_what_the_schema_takes() -> None:
    (one,) = as_recorded(JOB, [Condition("Succeeded", "Unknown", "Pending", "x" * 9999)], NOW)
    assert len(one["message"]) == 4096
    assert len(event(JOB, "Warning", "Failed", "x" * 9999, NOW)["message"]) == 1024


def test_another_event_has_another_name() -> None:
    names = {
        event(job, "Normal", reason, message, NOW)["metadata"]["name"]
        for job in (JOB, {**JOB, "metadata": {**JOB["metadata"], "generation": 4}})
        for reason in ("Suspended", "Resumed")
        for message in ("a", "b")
    }
    assert len(names) == 8


@pytest.mark.parametrize("text", ["2026-05-01", "2026-05-01T12:00:00", "noon", "", None, 7])
def test_what_is_no_moment_is_none(text: object) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", "0.5"), ("2", "2"), ("1.5", "1.5"), ("1Ki", "1024"), ("3k", "3000"), ("1Gi", "1073741824")],
)
def test_quantities_are_numbers(text: str, number: str) -> None:
    assert quantity.parse(text) == Decimal(number)


def test_quantities_are_rounded_up() -> None:
    assert quantity.cpu(Decimal("0.0001")) == "1m"
    assert quantity.memory(Decimal(1)) == "1Mi"
    assert quantity.memory(quantity.parse("1Ti")) == "1048576Mi"


@pytest.mark.parametrize(
    ("existing", "desired", "whether"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        (None, {"a": 1}, False),
        ([{"a": 1, "b": 2}], [{"a": 1}], True),
        ([{"a": 1}, {"a": 2}], [{"a": 1}], False),
        ("x", ["x"], False),
    ],
)
def test_existing_may_say_more_than_desired(existing: Any, desired: Any, whether: bool) -> None:
    assert contains(existing, desired) is whether


def test_a_path_through_garbage_leads_nowhere() -> None:
    assert dig({"a": [{"b": 1}]}, "a", 0, "b") == 1
    garbage: tuple[Any, ...] = (None, "text", 3, [], {"a": None}, {"a": "b"})
    for obj in garbage:
        assert dig(obj, "a", 0, "b") is None


def test_paths_name_objects_as_the_api_server_does() -> None:
    assert JOBS.path("lab", "x") == "/apis/batch/v1/namespaces/lab/jobs/x"
    assert EVENTS.path("lab") == "/api/v1/namespaces/lab/events"
    assert TUNING_JOBS.path(None) == "/apis/afina.dev/v1alpha1/tuningjobs"
    status = "/apis/afina.dev/v1alpha1/namespaces/lab/tuningjobs/x/status"
    assert TUNING_JOBS.path("lab", "x", "status") == status


@pytest.mark.parametrize(
    ("reference", "whose"),
    [
        ({"uid": "u1", "controller": True}, Owner.US),
        ({"uid": "u1"}, Owner.OTHERS),
        (
            {"uid": "u0", "controller": True, "kind": "TuningJob", "apiVersion": "afina.dev/v1alpha1", "name": "a"},
            Owner.PREDECESSOR,
        ),
        (
            {"uid": "u0", "controller": True, "kind": "TuningJob", "apiVersion": "afina.dev/v1alpha1", "name": "b"},
            Owner.OTHERS,
        ),
        ({"uid": "u0", "controller": True, "kind": "CronJob", "apiVersion": "batch/v1", "name": "a"}, Owner.OTHERS),
    ],
)
def test_the_controller_reference_says_whose_an_object_is(reference: Json, whose: Owner) -> None:
    assert owner({"metadata": {"ownerReferences": [reference]}}, JOB) is whose
