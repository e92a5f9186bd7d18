"""The rights that operator/README.md names are enough, and each of them is needed or its want is told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.lab import Lab, OperatorProcess, a_job, eventually

pytestmark = pytest.mark.integration

README = Path(__file__).parents[3] / "operator" / "README.md"
Json = dict[str, Any]


def rules_of_the_readme() -> list[Json]:
    """The table of rights as the rules of a Role."""
    section = README.read_text().split("## Rights")[1].split("In its own namespace")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE)[1:]
    return [
        {
            "apiGroups": ["" if group == "core" else group.strip("`")],
            "resources": re.findall(r"`([^`]+)`", resources),
            "verbs": verbs.split(", "),
        }
        for group, resources, verbs in rows
    ]


def lease_rules() -> list[Json]:
    group = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return [{**group, "verbs": ["get", "update"], "resourceNames": ["afina-operator"]}, {**group, "verbs": ["create"]}]


def grant(lab: Lab, rules: list[Json]) -> None:
    """Let the user `operator` do that in the namespace, and nothing else."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "operator"}}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "operator"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    lab.apply(
        {**rbac, "kind": "Role", "rules": rules},
        {**rbac, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]},
    )


def limited_operator(lab: Lab, rules: list[Json]) -> OperatorProcess:
    grant(lab, rules + lease_rules())
    return lab.working_operator(KUBECONFIG=str(lab.plane.operator_kubeconfig))


def without(rules: list[Json], verb: str, resource: str) -> list[Json]:
    """The rules without that one right."""
    found = [
        {**rule, "resources": [one], "verbs": [two for two in rule["verbs"] if (two, one) != (verb, resource)]}
        for rule in rules
        for one in rule["resources"]
    ]
    assert sum(len(rule["verbs"]) for rule in found) == sum(len(r["verbs"]) * len(r["resources"]) for r in rules) - 1
    return [rule for rule in found if rule["verbs"]]


def test_the_rights_are_enough_for_a_whole_life(lab: Lab) -> None:
    operator = limited_operator(lab, rules_of_the_readme())
    lab.apply(a_job("wine", spec__ttlSecondsAfterFinished=1))
    lab.wait_for_job("wine")
    lab.kubectl("patch", "role", "tj-wine", "--type=json", "-p", json.dumps([{"op": "remove", "path": "/rules/0"}]))
    lab.apply(a_job("wine", spec__ttlSecondsAfterFinished=1, spec__suspend=True))
    lab.wait_for_reason("wine", "Suspended")
    eventually("the Role is put right", lambda: len(lab.get("role", "tj-wine")["rules"]) == 2)
    lab.complete_job("wine")
    eventually("its deletion", lambda: not lab.get("tj", "wine"))
    # One that is given up on, so that its Job is deleted.
    lab.apply(a_job("lost"))
    lab.wait_for_job("lost")
    lab.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "lost-pod",
                "labels": {"afina.dev/tuningjob": "lost"},
                "ownerReferences": [_owner(lab.get("job", "tj-lost"))],
            },
            "spec": {"containers": [{"name": "driver", "image": "none"}]},
        }
    )
    waiting = {"name": "driver", "image": "none", "state": {"waiting": {"reason": "InvalidImageName"}}}
    status = {**waiting, "imageID": "", "ready": False, "restartCount": 0}
    lab.set_status("pod", "lost-pod", {"containerStatuses": [status]})
    lab.wait_for_reason("lost", "ImageUnavailable")
    eventually("its Job is deleted", lambda: not lab.get("job", "tj-lost"))
    assert "forbidden" not in operator.log()


def _owner(job: Json) -> Json:
    metadata = job["metadata"]
    named = {"name": metadata["name"], "uid": metadata["uid"], "controller": True}
    return {"apiVersion": "batch/v1", "kind": "Job", **named}


WANTED = [
    ("create", "serviceaccounts"),
    ("create", "roles"),
    ("create", "rolebindings"),
    ("create", "configmaps"),
    ("create", "persistentvolumeclaims"),
    ("create", "jobs"),
    ("get", "roles"),
    ("list", "pods"),
]


@pytest.mark.parametrize(("verb", "resource"), WANTED, ids=[" ".join(one) for one in WANTED])
def test_a_right_that_is_wanting_is_named_and_waited_for(lab: Lab, verb: str, resource: str) -> None:
    rules = rules_of_the_readme()
    limited_operator(lab, without(rules, verb, resource))
    lab.apply(a_job("wine"))

    def named() -> bool:
        message = lab.condition("wine").get("message", "")
        return "forbidden" in message and resource in message

    eventually("the want is named", named)
    assert not lab.get("job", "tj-wine")
    grant(lab, rules + lease_rules())
    lab.wait_for_job("wine")


def test_nothing_is_started_that_could_not_be_recorded(lab: Lab) -> None:
    rules = rules_of_the_readme()
    operator = limited_operator(lab, without(rules, "patch", "tuningjobs/status"))
    lab.apply(a_job("wine"))
    eventually("the want is logged", lambda: "forbidden" in operator.log())
    assert not lab.all("jobs")
    grant(lab, rules + lease_rules())
    lab.wait_for_job("wine")
