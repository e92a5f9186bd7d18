"""The plan of a TuningJob, as a table: what is there, and what is done and said about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from afina_api.reasons import Reason
from afina_operator.conditions import condition, format_time
from afina_operator.driver.children import children
from afina_operator.driver.observe import Observed
from afina_operator.driver.plan import blocked, plan
from afina_operator.errors import RefusedError
from afina_operator.plan import Apply, ApplyStatus, Delete, Emit, Patch, Plan
from afina_operator.resources import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    RAY_CLUSTERS,
    ROLES,
    VOLUME_CLAIMS,
    Json,
    Resource,
)
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import KIND
from support.specs import GOOD, changed

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
EARLIER = format_time(NOW - timedelta(hours=1))
SETTINGS = Settings()
ENDED = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-05-01T11:30:00Z"}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no gpu"}
FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "PodFailurePolicy",
    "lastTransitionTime": "2026-05-01T11:30:00Z",
}


def a_job(changes: Mapping[str, Any] | None = None, status: Json | None = None) -> Json:
    """A TuningJob as the API server holds it."""
    system = {"namespace": "lab", "uid": "u1", "resourceVersion": "7", "generation": 1}
    job = changed(GOOD, {f"metadata.{key}": value for key, value in system.items()} | dict(changes or {}))
    return job | ({"status": status} if status else {})


def said(status: str, reason: str, *, started: bool = True, over: bool = False, message: str = "") -> Json:
    """A status as the operator writes it."""
    summary = ("Succeeded", status, message)
    conditions = [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": text,
            "lastTransitionTime": EARLIER,
            "observedGeneration": 1,
        }
        for kind, value, text in (summary, ("Running", "False", ""), ("Suspended", "False", ""))
    ]
    times = {"startTime": EARLIER} if started else {}
    return {"conditions": conditions, "observedGeneration": 1, **times, **({"completionTime": EARLIER} if over else {})}


STARTED = said("Unknown", "Pending")
QUEUED = {"metadata.labels": {"kueue.x-k8s.io/queue-name": "gpus"}}


def its_children(
    job: Json, without: tuple[Resource, ...] = (), settings: Settings = SETTINGS, **of_the_job: Any
) -> dict[Resource, Json]:
    """All children as the API server holds them; `of_the_job` changes the Job, with `__` for a dot."""
    found = {}
    for resource, child in children(KIND, job, KIND.parse(job, settings), settings).items():
        system = {"uid": f"u-{resource.plural}", "resourceVersion": "9", "creationTimestamp": EARLIER}
        found[resource] = {**child, "metadata": {**child["metadata"], **system}}
    paths = {path.replace("__", "."): value for path, value in of_the_job.items()}
    found[JOBS] = changed(found[JOBS], paths)
    return {resource: child for resource, child in found.items() if resource not in without}


def a_pod(phase: str = "Pending", state: Json | None = None, *, age: float = 10, of: str = "u-jobs") -> Json:
    """A pod of the driver; its age in seconds counts from its placing on a node."""
    made = format_time(NOW - timedelta(seconds=age))
    owner = {"apiVersion": JOBS.api_version, "kind": JOBS.kind, "name": "tj-good", "uid": of, "controller": True}
    container = {"name": "driver", "image": "lab/none:1", "state": state} if state else None
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            "name": f"tj-good-{made}",
            "namespace": "lab",
            "uid": f"pod-{made}",
            "creationTimestamp": made,
            "ownerReferences": [owner],
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": made}],
            **({"containerStatuses": [container]} if container else {}),
        },
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def exited(code: int, words: str = "", reason: str = "Error") -> Json:
    return {"terminated": {"exitCode": code, "message": words, "reason": reason}}


RUNNING = a_pod("Running", {"running": {}})


@dataclass(frozen=True)
class Case:
    """What is seen, and what follows: the kinds of writes in their order, the summary condition, words of it."""

    seen: Observed
    writes: str
    status: str | None = None
    reason: Reason | None = None
    words: tuple[str, ...] = ()
    again_after: float | None = None


def with_job(
    pods: tuple[Json, ...] = (),
    child: Json | None = None,
    changes: Mapping[str, Any] | None = None,
    recorded: Json = STARTED,
    **more: Any,
) -> Observed:
    """A started TuningJob with all its children, of which the Job has that status."""
    return Observed(KIND, a_job(changes, recorded), its_children(a_job(), status=child or {}), pods, **more)


ALL_MADE = "ApplyStatus Create Create Create Create Create Create Emit"
MANY_WORDS = [
    {"name": f"p{n}", "categorical": {"choices": [f"{m}" + "y" * 120 for m in range(100)]}} for n in range(100)
]

AT_THE_START = {
    "record the start time first, then make the children": Case(
        Observed(KIND, a_job()), ALL_MADE, "Unknown", Reason.PENDING, again_after=5.0
    ),
    "need no volume where a database is named": Case(
        Observed(KIND, a_job({"spec.storage": {"databaseSecretRef": {"name": "db"}}})),
        ALL_MADE.replace("Create ", "", 1),
        "Unknown",
        Reason.PENDING,
        again_after=5.0,
    ),
    "make nothing while suspended": Case(
        Observed(KIND, a_job({"spec.suspend": True})),
        "Emit ApplyStatus",
        "Unknown",
        Reason.SUSPENDED,
        ("set spec.suspend to false",),
    ),
    "make what is missing where a crash came between": Case(
        Observed(KIND, a_job(status=STARTED), its_children(a_job(), without=(VOLUME_CLAIMS, JOBS))),
        "Create Create Emit ApplyStatus",
        "Unknown",
        Reason.PENDING,
        again_after=5.0,
    ),
    "wait for a predecessor's objects": Case(
        Observed(KIND, a_job(), its_children(a_job({"metadata.uid": "u0"}))),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("ServiceAccount 'tj-good' of a deleted TuningJob of this name is still there",),
        5.0,
    ),
    "wait for the pod of a deleted Job": Case(
        Observed(KIND, a_job(), pods=(a_pod("Running", of="u-gone"),)),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("The pod of a deleted Job of this name still runs",),
        5.0,
    ),
    "ignore a strange pod that wears the label": Case(
        Observed(KIND, a_job(), pods=(changed(a_pod("Running"), {"metadata.ownerReferences": []}),)),
        ALL_MADE,
        "Unknown",
        Reason.PENDING,
        again_after=5.0,
    ),
    "wait for KubeRay to be installed": Case(
        Observed(KIND, a_job(), lacks_kuberay=True),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("install KubeRay 1.6 or later",),
        5.0,
    ),
    "do nothing while being deleted": Case(Observed(KIND, a_job({"metadata.deletionTimestamp": EARLIER})), ""),
}

IN_VAIN = {
    "refuse a placeholder that names no parameter": Case(
        Observed(KIND, a_job({"spec.trial.command.argv": ["$(params.depth)"]})),
        "Emit ApplyStatus",
        "False",
        Reason.INVALID_SPEC,
        (
            "spec: trial.command.argv: $(params.depth): $(params.NAME) must name a parameter of the spec",
            "Correct the spec",
        ),
    ),
    "refuse a field of a later version": Case(
        Observed(KIND, a_job({"spec.trial.isolation": "Strict"})),
        "Emit ApplyStatus",
        "False",
        Reason.INVALID_SPEC,
        ("spec.trial.isolation: Extra inputs are not permitted",),
    ),
    "refuse GP where the installation has no torch image": Case(
        Observed(KIND, a_job({"spec.algorithm": {"name": "GP"}})),
        "Emit ApplyStatus",
        "False",
        Reason.INVALID_SPEC,
        ("spec.algorithm.name", "torch runtime image", "spec.trial.image"),
    ),
    "refuse a spec that fits into no ConfigMap": Case(
        Observed(KIND, a_job({"spec.parameters": MANY_WORDS, "spec.trial.command.argv": ["train"]})),
        "Emit ApplyStatus",
        "False",
        Reason.INVALID_SPEC,
        ("more than 1000000 bytes",),
    ),
    "refuse a name that is no DNS label": Case(
        Observed(KIND, a_job({"metadata.name": "a.b"})),
        "Emit ApplyStatus",
        "False",
        Reason.INVALID_SPEC,
        ("metadata.name",),
    ),
    "try a corrected spec": Case(
        Observed(KIND, a_job(status=said("False", "InvalidSpec", started=False))),
        ALL_MADE,
        "Unknown",
        Reason.PENDING,
        again_after=5.0,
    ),
    "leave somebody else's object alone": Case(
        Observed(KIND, a_job(), {CONFIG_MAPS: {"metadata": {"name": "tj-good", "uid": "theirs"}}}),
        "Emit ApplyStatus",
        "False",
        Reason.NAME_CONFLICT,
        ("ConfigMap 'tj-good' exists already", "delete it, or give the TuningJob another name"),
    ),
    "go on with the spec it was started with": Case(
        with_job((RUNNING,), changes={"spec.trial.command.argv": ["$(params.depth)"]}),
        "ApplyStatus",
        "Unknown",
        Reason.RUNNING,
        ("The search is under way", "The spec is invalid by now", "$(params.depth)"),
        None,
    ),
}

ON_THE_WAY = {
    "say that it runs": Case(with_job((RUNNING,)), "ApplyStatus", "Unknown", Reason.RUNNING, ("under way",)),
    "say that the driver was started again": Case(
        with_job((RUNNING,), {"failed": 2}), "ApplyStatus", "Unknown", Reason.RUNNING, ("started again 2 times",)
    ),
    "name the scheduler's reason": Case(
        with_job((changed(a_pod(), {"status.conditions": [UNSCHEDULABLE]}),), warning="0/1 nodes: no gpu"),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("cannot be placed on a node: 0/1 nodes: no gpu",),
        5.0,
    ),
    "name the quota that stops the Job controller": Case(
        with_job(warning="pods are forbidden: exceeded quota"),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("The Job controller makes the driver's pod. Last warning: pods are forbidden: exceeded quota",),
        60.0,
    ),
    "wait for an image for a while": Case(
        with_job((a_pod(state=waiting("ImagePullBackOff", "not found")),)),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("lab/none:1 cannot be pulled (ImagePullBackOff): not found", "spec.trial.image"),
        5.0,
    ),
    "wait for the source ConfigMap for a while": Case(
        with_job(
            (a_pod(state=waiting("ContainerCreating")),),
            missing="spec.trial.source.configMapRef.name: there is no ConfigMap 'my-code': create it.",
        ),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("spec.trial.source.configMapRef.name: there is no ConfigMap 'my-code': create it",),
        5.0,
    ),
    "keep waiting for an image that was there before": Case(
        with_job((a_pod(state=waiting("ErrImagePull"), age=999),), {"failed": 1}),
        "Emit ApplyStatus",
        "Unknown",
        Reason.RESTARTING,
        ("cannot be pulled",),
        60.0,
    ),
    "keep waiting for an image where an evicted driver left nothing but its report": Case(
        Observed(
            KIND,
            a_job(status=STARTED | {"trials": {"succeeded": 4}}),
            its_children(a_job(), status={}),
            (a_pod(state=waiting("ErrImagePull"), age=999),),
        ),
        "Emit ApplyStatus",
        "Unknown",
        Reason.RESTARTING,
        ("cannot be pulled",),
        60.0,
    ),
    "say why the driver is started again": Case(
        with_job((a_pod("Failed", exited(137, reason="OOMKilled")),), {"failed": 1}),
        "Emit ApplyStatus",
        "Unknown",
        Reason.RESTARTING,
        ("ran out of memory: raise spec.trial.resources.memory", "goes on from its storage"),
        5.0,
    ),
    "not call a driver that has ended a restart": Case(
        with_job((a_pod("Succeeded", exited(0)),)), "ApplyStatus", "Unknown", Reason.RUNNING, ("has ended",)
    ),
    "not call a container that has ended, its pod not yet, one that starts": Case(
        with_job((a_pod("Running", exited(0)),)), "ApplyStatus", "Unknown", Reason.RUNNING, ("has ended",)
    ),
    "suspend the Job, and wait for the driver to stop": Case(
        with_job((RUNNING,), changes={"spec.suspend": True}),
        "Apply Patch Emit ApplyStatus",
        "Unknown",
        Reason.SUSPENDED,
        ("is being stopped",),
        5.0,
    ),
    "resume the Job": Case(
        Observed(
            KIND,
            a_job(status=said("Unknown", "Suspended")),
            its_children(a_job(), spec__suspend=True, status={"failed": 0}),
        ),
        "Patch Emit ApplyStatus",
        "Unknown",
        Reason.PENDING,
        again_after=60.0,
    ),
    "leave it to Kueue to let a queued Job run": Case(
        Observed(KIND, a_job(QUEUED, STARTED), its_children(a_job(QUEUED), status={})),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("It waits in the queue 'gpus' until Kueue admits it",),
        60.0,
    ),
    "not stop a queued Job that Kueue has let run": Case(
        Observed(KIND, a_job(QUEUED, STARTED), its_children(a_job(QUEUED), spec__suspend=False, status={}), (RUNNING,)),
        "ApplyStatus",
        "Unknown",
        Reason.RUNNING,
    ),
    "give back the quota of a queued Job that is suspended": Case(
        Observed(
            KIND,
            a_job(QUEUED | {"spec.suspend": True}, STARTED),
            its_children(a_job(QUEUED), spec__suspend=False, status={}),
            (RUNNING,),
        ),
        "Delete Emit ApplyStatus",
        "Unknown",
        Reason.SUSPENDED,
        again_after=5.0,
    ),
    "not make a deleted Job again while suspended": Case(
        Observed(KIND, a_job({"spec.suspend": True}, STARTED), its_children(a_job(), without=(JOBS,))),
        "Emit ApplyStatus",
        "Unknown",
        Reason.SUSPENDED,
    ),
    "let a grown budget reach the driver and the backstop": Case(
        with_job((RUNNING,), changes={"spec.budget.maxTrials": 50, "spec.budget.timeoutSeconds": 600}),
        "Apply Patch ApplyStatus",
        "Unknown",
        Reason.RUNNING,
    ),
    "replace a driver that has no room for more trials at a time": Case(
        with_job((RUNNING,), changes={"spec.budget.parallelTrials": 3}),
        "Emit Delete ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("budget.parallelTrials is 3: the driver hands its trials over",),
        5.0,
    ),
    "keep a driver that has room for more trials than are asked for": Case(
        with_job((RUNNING,), changes={"spec.budget.parallelTrials": 1}), "Apply ApplyStatus", "Unknown", Reason.RUNNING
    ),
    "take back what waits for more room than is asked for": Case(
        with_job((a_pod(),), changes={"spec.budget.parallelTrials": 1}),
        "Emit Delete ApplyStatus",
        "Unknown",
        Reason.PENDING,
        again_after=5.0,
    ),
    "not replace what is suspended before it is resumed": Case(
        with_job(changes={"spec.budget.parallelTrials": 3, "spec.suspend": True}),
        "Apply Patch Emit ApplyStatus",
        "Unknown",
        Reason.SUSPENDED,
    ),
    "wait for a Job that goes to make room": Case(
        Observed(
            KIND,
            a_job({"spec.budget.parallelTrials": 3}, STARTED),
            its_children(a_job(), metadata__deletionTimestamp=EARLIER),
        ),
        "Apply ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("it is made again when it is gone",),
        60.0,
    ),
    "leave alone a Job of an earlier version, which does not say what it was made for": Case(
        Observed(
            KIND,
            a_job({"spec.budget.parallelTrials": 3}, STARTED),
            its_children(a_job(), spec__template__spec__containers=[{"name": "driver", "env": []}], status={}),
            (RUNNING,),
        ),
        "Apply ApplyStatus",
        "Unknown",
        Reason.RUNNING,
    ),
    "put right what somebody changed": Case(
        Observed(
            KIND,
            a_job(status=STARTED),
            its_children(a_job()) | {ROLES: changed(its_children(a_job())[ROLES], {"rules": []})},
            (RUNNING,),
        ),
        "Apply ApplyStatus",
        "Unknown",
        Reason.RUNNING,
    ),
    "wait for a deleted Job to go": Case(
        Observed(KIND, a_job(status=STARTED), its_children(a_job(), metadata__deletionTimestamp=EARLIER)),
        "ApplyStatus",
        "Unknown",
        Reason.PENDING,
        ("it is made again when it is gone",),
        60.0,
    ),
    "find the start again where the status was lost": Case(
        Observed(KIND, a_job(), its_children(a_job(), status={}), (RUNNING,)), "ApplyStatus", "Unknown", Reason.RUNNING
    ),
}

TARGET_WORDS = json.dumps({"reason": "TargetReached", "message": "rmse 0.51"})
BAD_WORDS = json.dumps({"reason": "InvalidObjective", "message": "No module named 'train'"})
COMPLETE = {"conditions": [ENDED]}
GIVEN_UP = {"conditions": [FAILED]}

AT_THE_END = {
    "say what the driver said at a good end": Case(
        with_job((a_pod("Succeeded", exited(0, TARGET_WORDS)),), COMPLETE),
        "Emit ApplyStatus",
        "True",
        Reason.TARGET_REACHED,
        ("rmse 0.51",),
    ),
    "call it a good end where the pod is gone": Case(
        with_job((), COMPLETE), "Emit ApplyStatus", "True", Reason.MAX_TRIALS_REACHED, ("the pod that knew more",)
    ),
    "not believe a driver that ends well and says that it failed": Case(
        with_job((a_pod("Succeeded", exited(0, BAD_WORDS)),), COMPLETE),
        "Emit ApplyStatus",
        "True",
        Reason.MAX_TRIALS_REACHED,
    ),
    "say what the driver said at a bad end": Case(
        with_job((a_pod("Failed", exited(10, BAD_WORDS)),), GIVEN_UP),
        "Emit ApplyStatus",
        "False",
        Reason.INVALID_OBJECTIVE,
        ("No module named 'train'",),
    ),
    "blame the driver where it left no words": Case(
        with_job((a_pod("Failed", exited(10, "Traceback")),), GIVEN_UP),
        "Emit ApplyStatus",
        "False",
        Reason.DRIVER_FAILED,
        ("exit code 10", "See the driver's log"),
    ),
    "name the image's fault where it has no Python": Case(
        with_job((a_pod("Failed", exited(128, 'exec: "python3": not found', "StartError")),), GIVEN_UP),
        "Emit ApplyStatus",
        "False",
        Reason.DRIVER_FAILED,
        ('StartError: exec: "python3": not found',),
    ),
    "name the deadline": Case(
        with_job((), {"conditions": [{**FAILED, "reason": "DeadlineExceeded"}]}),
        "Emit ApplyStatus",
        "False",
        Reason.DEADLINE_EXCEEDED,
        ("budget.timeoutSeconds",),
    ),
    "end even where suspension was asked for too late": Case(
        with_job((), COMPLETE, changes={"spec.suspend": True}), "Emit ApplyStatus", "True", Reason.MAX_TRIALS_REACHED
    ),
    "give up on an image that does not come, the verdict first": Case(
        with_job((a_pod(state=waiting("ImagePullBackOff"), age=121),)),
        "Emit ApplyStatus",
        "False",
        Reason.IMAGE_UNAVAILABLE,
        again_after=0.0,
    ),
    "give up at once on an image whose name is none": Case(
        with_job((a_pod(state=waiting("InvalidImageName")),)),
        "Emit ApplyStatus",
        "False",
        Reason.IMAGE_UNAVAILABLE,
        again_after=0.0,
    ),
    "give up on a Secret that does not come": Case(
        with_job((a_pod(state=waiting("CreateContainerConfigError", 'secret "db" not found'), age=121),)),
        "Emit ApplyStatus",
        "False",
        Reason.POD_CANNOT_START,
        ('secret "db" not found',),
        0.0,
    ),
    "after the verdict delete the Job, then record the end": Case(
        with_job(recorded=said("False", "ImageUnavailable")), "Delete ApplyStatus", "False", Reason.IMAGE_UNAVAILABLE
    ),
    "record the end where the Job is deleted already": Case(
        Observed(KIND, a_job(status=said("False", "ImageUnavailable"))),
        "ApplyStatus",
        "False",
        Reason.IMAGE_UNAVAILABLE,
    ),
    "do nothing afterwards": Case(with_job(recorded=said("True", "TargetReached", over=True)), ""),
    "wait for the time to live": Case(
        Observed(KIND, a_job({"spec.ttlSecondsAfterFinished": 4000}, said("True", "TargetReached", over=True))),
        "",
        again_after=400.0,
    ),
    "go when its time is over": Case(
        Observed(KIND, a_job({"spec.ttlSecondsAfterFinished": 3600}, said("True", "TargetReached", over=True))),
        "Delete",
    ),
}

CASES = AT_THE_START | IN_VAIN | ON_THE_WAY | AT_THE_END


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_plan(case: Case) -> None:
    found = plan(case.seen, SETTINGS, NOW)
    assert " ".join(type(write).__name__ for write in found.writes) == case.writes
    assert found.again_after == case.again_after
    summary = condition(written_status(found), "Succeeded")
    assert (summary.get("status"), summary.get("reason")) == (case.status, case.reason)
    for words in case.words:
        assert words in summary["message"]


def written_status(found: Plan) -> Json:
    """What the plan writes to the status; empty if nothing."""
    return next((write.obj for write in found.writes if isinstance(write, ApplyStatus)), {})


@pytest.mark.parametrize("case", ON_THE_WAY.values(), ids=ON_THE_WAY.keys())
def test_what_is_said_is_not_said_again(case: Case) -> None:
    status = case.seen.job.get("status", {}) | written_status(plan(case.seen, SETTINGS, NOW))["status"]
    told = replace(case.seen, job={**case.seen.job, "status": status})
    later = plan(told, SETTINGS, NOW + timedelta(seconds=1))
    assert not [write for write in later.writes if isinstance(write, Emit | ApplyStatus)]


def test_what_is_written_is_bound_to_what_was_seen() -> None:
    grown = plan(CASES["let a grown budget reach the driver and the backstop"].seen, SETTINGS, NOW)
    apply, patch, status = grown.writes
    assert isinstance(apply, Apply)
    assert [apply.obj["metadata"][mark] for mark in ("uid", "resourceVersion")] == ["u-configmaps", "9"]
    assert isinstance(patch, Patch)
    assert patch.seen["metadata"]["resourceVersion"] == "9"
    assert patch.changes == {"spec": {"activeDeadlineSeconds": 900}}
    assert isinstance(status, ApplyStatus)
    assert status.obj["metadata"] == {"name": "good", "namespace": "lab", "uid": "u1", "resourceVersion": "7"}


def test_only_its_own_job_is_deleted_after_the_verdict() -> None:
    found = plan(CASES["after the verdict delete the Job, then record the end"].seen, SETTINGS, NOW)
    assert isinstance(found.writes[0], Delete)
    assert found.writes[0].seen["metadata"]["uid"] == "u-jobs"
    theirs = its_children(a_job({"metadata.uid": "u0"}))
    left = plan(Observed(KIND, a_job(status=said("False", "ImageUnavailable")), theirs), SETTINGS, NOW)
    assert not [write for write in left.writes if isinstance(write, Delete)]


def test_the_end_is_dated_by_the_job() -> None:
    found = plan(CASES["say what the driver said at a good end"].seen, SETTINGS, NOW)
    assert written_status(found)["status"]["completionTime"] == ENDED["lastTransitionTime"]


@pytest.mark.parametrize(("age", "seconds"), [(0, 5.0), (60, 5.0), (240, 20.0), (100_000, 60.0)])
def test_what_waits_long_is_looked_at_seldom(age: float, seconds: float) -> None:
    unplaced = changed(a_pod(age=age), {"status.conditions": [UNSCHEDULABLE]})
    assert plan(with_job((unplaced,)), SETTINGS, NOW).again_after == seconds


def test_what_is_suspended_is_not_looked_at_again() -> None:
    job = a_job({"spec.suspend": True}, said("Unknown", "Suspended"))
    assert plan(Observed(KIND, job, its_children(a_job(), spec__suspend=True)), SETTINGS, NOW).again_after is None


def test_the_driver_s_part_is_never_written() -> None:
    for case in CASES.values():
        status = written_status(plan(case.seen, SETTINGS, NOW)).get("status", {})
        assert status.keys() <= {"conditions", "startTime", "completionTime", "observedGeneration"}


def test_an_event_that_says_the_same_has_the_same_name() -> None:
    def events(moment: datetime) -> list[Json]:
        return [
            write.event for write in plan(Observed(KIND, a_job()), SETTINGS, moment).writes if isinstance(write, Emit)
        ]

    first, second = events(NOW), events(NOW + timedelta(minutes=1))
    assert first[0]["metadata"] == second[0]["metadata"]
    assert first[0]["reason"] == "Started"


def test_a_refused_write_is_reported_once() -> None:
    observed = with_job((RUNNING,), recorded=said("Unknown", "Running"))
    first = blocked(KIND, observed.job, RefusedError("roles is forbidden"), NOW)
    assert first is not None
    assert (
        "The API server refuses what the job needs: roles is forbidden"
        in first.obj["status"]["conditions"][0]["message"]
    )
    again = {**observed.job, "status": first.obj["status"]}
    assert blocked(KIND, again, RefusedError("roles is forbidden"), NOW) is None


POISON: dict[str, dict[str, Any]] = {
    "a status of text": {"status": "done"},
    "a status of a list": {"status": [1]},
    "conditions that are no list": {"status": {"conditions": {"type": "Succeeded"}}},
    "conditions of garbage": {"status": {"conditions": [None, 3, {"type": ["x"]}, {"type": "Succeeded", "status": 1}]}},
    "a reason that nobody knows": {
        "status": {"conditions": [{"type": "Succeeded", "status": "True", "reason": "Magic"}]}
    },
    "a start time of garbage": {"status": {"startTime": "yesterday"}},
    "an end time of garbage": {"status": {"completionTime": 17}, "spec": GOOD["spec"] | {"ttlSecondsAfterFinished": 1}},
    "no spec": {"spec": None},
    "a spec of text": {"spec": "please"},
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_a_poisoned_job_does_no_harm(poison: dict[str, Any]) -> None:
    plan(Observed(KIND, {**a_job(), **poison}), SETTINGS, NOW)
    plan(Observed(KIND, {**a_job(), **poison}, its_children(a_job()), (RUNNING,)), SETTINGS, NOW)


@pytest.mark.parametrize("garbage", [None, "x", 3, [], [None], {}, {"a": []}], ids=repr)
@pytest.mark.parametrize("path", ["metadata.ownerReferences", "metadata.labels", "status", "status.conditions", "spec"])
def test_poisoned_children_do_no_harm(path: str, garbage: Any) -> None:
    bad_job = changed(its_children(a_job(), status={})[JOBS], {path: garbage})
    bad_pod = changed(RUNNING, {path: garbage})
    bad_role = changed(its_children(a_job())[ROLES], {path: garbage})
    children = its_children(a_job()) | {JOBS: bad_job, ROLES: bad_role}
    plan(Observed(KIND, a_job(status=STARTED), children, (bad_pod, RUNNING)), SETTINGS, NOW)


@pytest.mark.parametrize(
    "garbage", [None, "x", 3, [], [None], {"name": "driver"}, [{"name": "driver", "state": 1}]], ids=repr
)
def test_poisoned_pods_do_no_harm(garbage: Any) -> None:
    for path in ("status.containerStatuses", "status.conditions", "metadata.creationTimestamp"):
        plan(with_job((changed(RUNNING, {path: garbage}),)), SETTINGS, NOW)


def test_a_queued_ray_cluster_is_suspended_or_not_as_kueue_has_it() -> None:
    settings, changes = Settings(ray=True), QUEUED | {"spec.execution.workers": 2}
    job = a_job(changes, STARTED)
    found = its_children(job, spec__suspend=False, settings=settings)
    for suspend in (True, False):
        found[RAY_CLUSTERS] = changed(found[RAY_CLUSTERS], {"spec.suspend": suspend})
        writes = plan(Observed(KIND, job, found, (RUNNING,)), settings, NOW).writes
        assert not [one for one in writes if isinstance(one, Apply)]
    found[RAY_CLUSTERS] = changed(found[RAY_CLUSTERS], {"spec.suspend": True, "spec.rayVersion": "1"})
    writes = plan(Observed(KIND, job, found, (RUNNING,)), settings, NOW).writes
    (repair,) = [one for one in writes if isinstance(one, Apply)]
    assert repair.obj["spec"]["suspend"] is True


def test_the_ray_cluster_goes_with_the_drivers_end() -> None:
    settings, job = Settings(ray=True), a_job({"spec.execution.workers": 2}, STARTED)
    found = its_children(job, settings=settings, status={"conditions": [ENDED]})
    writes = plan(Observed(KIND, job, found, (a_pod("Succeeded", exited(0)),)), settings, NOW).writes
    (gone,) = [one for one in writes if isinstance(one, Delete)]
    assert gone.seen["kind"] == "RayCluster"
    assert isinstance(writes[-1], ApplyStatus), "the end is recorded when it is gone"


@pytest.mark.parametrize(
    ("made_for", "asked", "ready", "deleted"),
    [
        (2, 4, 2, {"RayCluster", "Job"}),
        (3, 4, 2, {"Job"}),  # each worker has room for two already
        (4, 2, 2, set()),
        (4, 2, 0, {"RayCluster", "Job"}),
        (4, 3, 0, set()),
    ],
)
def test_workers_are_made_anew_with_more_room(made_for: int, asked: int, ready: int, deleted: set[str]) -> None:
    def job(parallel: int) -> Json:
        return a_job({"spec.execution.workers": 2, "spec.budget.parallelTrials": parallel}, STARTED)

    settings = Settings(ray=True)
    found = its_children(job(made_for), settings=settings, status={})
    found[RAY_CLUSTERS] = {**found[RAY_CLUSTERS], "status": {"readyWorkerReplicas": ready}}
    writes = plan(Observed(KIND, job(asked), found, (RUNNING,)), settings, NOW).writes
    gone = [one.seen["kind"] for one in writes if isinstance(one, Delete)]
    assert set(gone) == deleted
    assert gone == sorted(gone), "the driver goes first, before its trials are lost"


def test_no_driver_is_made_for_workers_without_room() -> None:
    settings, small, large = Settings(ray=True), {"spec.execution.workers": 1}, {"spec.budget.parallelTrials": 5}
    found = its_children(a_job(small), without=(JOBS,), settings=settings)
    writes = plan(Observed(KIND, a_job(small | large, STARTED), found), settings, NOW).writes
    assert [type(one).__name__ for one in writes] == ["Emit", "Delete", "ApplyStatus"]


@pytest.mark.parametrize(("ready", "words"), [(None, "Of its 2 workers, 0 are ready"), (1, "1 are ready"), (2, "")])
def test_workers_that_are_not_there_are_told_and_looked_at_again(ready: int | None, words: str) -> None:
    settings, job = Settings(ray=True), a_job({"spec.execution.workers": 2}, STARTED)
    found = its_children(job, settings=settings, status={})
    found[RAY_CLUSTERS] = {**found[RAY_CLUSTERS], "status": {"readyWorkerReplicas": ready}}
    next_step = plan(Observed(KIND, job, found, (RUNNING,)), settings, NOW)
    (written,) = [one for one in next_step.writes if isinstance(one, ApplyStatus)]
    message = condition(written.obj, "Succeeded")["message"]
    assert words in message
    assert ("ready" in message) == bool(words)
    assert next_step.again_after == 60.0
