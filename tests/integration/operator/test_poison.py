"""Objects that no admission has seen: they harm neither the operator nor its other objects."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from afina_operator.podspec import MANAGED
from support.lab import ControlPlane, Lab, a_job, eventually

pytestmark = pytest.mark.integration

CRD = "tuningjobs.afina.dev"
SCHEMA = "/spec/versions/0/schema/openAPIV3Schema"
KOPF = "kopf.zalando.org"


def without_checks(plane: ControlPlane) -> Iterator[None]:
    """As long as it lasts, the API server takes everything, as one with an older CRD would."""
    schema = json.loads(plane.kubectl("get", "crd", CRD, "-o", "json"))["spec"]["versions"][0]["schema"]
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    _replace_schema(plane, free)
    plane.kubectl("delete", "validatingadmissionpolicybinding", CRD)
    yield
    _replace_schema(plane, schema["openAPIV3Schema"])
    plane.apply_policies()


def _replace_schema(plane: ControlPlane, schema: object) -> None:
    patch = json.dumps([{"op": "replace", "path": SCHEMA, "value": schema}])
    plane.kubectl("patch", "crd", CRD, "--type=json", "-p", patch)


@pytest.fixture
def unchecked(control_plane: ControlPlane) -> Iterator[None]:
    yield from without_checks(control_plane)


def broken(name: str, spec: object, **rest: Any) -> dict[str, Any]:
    return {**a_job(name), "spec": spec, **rest}


BAD_SPECS: dict[str, object] = {
    "text": "please",
    "number": 3,
    "list": [1, 2],
    "empty": {},
    "suspend-of-text": {"suspend": "yes"},
    "parameters-of-text": a_job("x")["spec"] | {"parameters": "x"},
    "unknown-field": a_job("x")["spec"] | {"workers": 3},
    "upside-down": a_job("x", **{"spec.parameters.0.float": {"min": 1, "max": 0}})["spec"],
    "source-of-list": a_job("x")["spec"] | {"trial": {"source": {"configMapRef": [1]}}},
    "ttl-of-text": a_job("x")["spec"] | {"ttlSecondsAfterFinished": "soon"},
}


def test_specs_that_no_schema_saw_are_refused_by_name(lab: Lab, unchecked: None) -> None:
    operator = lab.working_operator()
    eventually("the API server takes everything", lambda: _takes_everything(lab))
    lab.apply(*(broken(name, spec) for name, spec in BAD_SPECS.items()), a_job("good"))
    for name in BAD_SPECS:
        found = lab.wait_for_reason(name, "InvalidSpec")
        assert "spec" in found["message"]
    lab.wait_for_job("good")
    assert len(lab.all("jobs")) == 1
    assert operator.is_alive()
    assert "a fault in the operator" not in operator.log()


def _takes_everything(lab: Lab) -> bool:
    try:
        lab.apply(broken("trial", {"any": 1}))
    except AssertionError:
        return False
    lab.kubectl("delete", "tj", "trial")
    return True


def test_statuses_and_annotations_of_garbage_stop_nobody(lab: Lab, unchecked: None) -> None:
    operator = lab.working_operator()
    eventually("the API server takes everything", lambda: _takes_everything(lab))
    annotations = {
        f"{KOPF}/last-handled-configuration": "{garbage",
        f"{KOPF}/progress": "[1",
        "afina.dev/large": "x" * 200_000,
    }
    lab.apply(*(a_job(f"annotated-{n}", metadata__annotations=annotations) for n in range(3)))
    statuses: list[Any] = [
        {"conditions": [{"type": "Succeeded", "status": "Maybe", "reason": 3}]},
        {"conditions": "all well", "startTime": "then"},
        {"conditions": [None, [], {"type": None}]},
    ]
    for number, status in enumerate(statuses):
        lab.apply(a_job(f"status-{number}", spec__suspend=True))
        lab.wait_for_reason(f"status-{number}", "Suspended")
        lab.set_status("tj", f"status-{number}", status)
    lab.apply(a_job("good"))
    lab.wait_for_job("good")
    for number in range(3):
        lab.wait_for_job(f"annotated-{number}")
    lab.wait_for_reason("status-0", "Suspended")
    assert operator.is_alive()
    assert "a fault in the operator" not in operator.log()
    assert not lab.get("tj", "annotated-0")["metadata"].get("finalizers")


def test_strangers_that_wear_the_label_stop_nobody(lab: Lab) -> None:
    operator = lab.working_operator()
    template = {
        "metadata": {"labels": {"afina.dev/tuningjob": "good"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "driver", "image": "x"}]},
    }
    for name, label in (("nobody-s", "nothing"), ("another-s", "good"), ("empty", "")):
        job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template, "suspend": True}}
        lab.apply({**job, "metadata": {"name": name, "labels": {**MANAGED, "afina.dev/tuningjob": label}}})
    labels = {"afina.dev/tuningjob": "good"}
    lab.apply({"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "stranger", "labels": labels}})
    lab.apply(a_job("good"))
    lab.wait_for_job("good")
    lab.complete_job("good")
    lab.wait_for_reason("good", "MaxTrialsReached")
    assert operator.is_alive()


def test_somebody_else_s_objects_are_left_alone(lab: Lab) -> None:
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tj-wine"}, "data": {"mine": "1"}})
    lab.working_operator()
    lab.apply(a_job("wine"))
    message = lab.wait_for_reason("wine", "NameConflict")["message"]
    assert "ConfigMap 'tj-wine' exists already" in message
    assert not lab.get("job", "tj-wine")
    assert lab.get("configmap", "tj-wine")["data"] == {"mine": "1"}
    lab.kubectl("delete", "configmap", "tj-wine")
    lab.apply(a_job("wine", spec__budget__maxTrials=6))
    lab.wait_for_job("wine")


def test_a_quota_is_named_and_lifted(lab: Lab) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    lab.apply({**quota, "spec": {"hard": {"count/jobs.batch": "0"}}})
    lab.set_status("resourcequota", "none", {"hard": {"count/jobs.batch": "0"}, "used": {"count/jobs.batch": "0"}})
    lab.working_operator()
    lab.apply(a_job("wine"))
    found = eventually(
        "the quota is named", lambda: "quota" in lab.condition("wine").get("message", "") and lab.condition("wine")
    )
    assert (found["status"], found["reason"]) == ("Unknown", "Pending")
    lab.kubectl("delete", "resourcequota", "none")
    lab.wait_for_job("wine")
    eventually("nothing is refused any more", lambda: "refuses" not in lab.condition("wine")["message"])
