"""What must hold of an object and its children: in every world, of every write, and at the end."""

from typing import Any

from afina_api.reasons import Reason
from afina_operator.conditions import condition, format_time, is_true
from afina_operator.ownership import controller
from afina_operator.reconciler import Controller
from afina_operator.resources import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    VOLUME_CLAIMS,
    Json,
    dig,
)
from world import kubernetes
from world.apiserver import OPERATOR, ApiServer, Change
from world.passes import run_pass
from world.subjects import Scene, State, Subject

CHILDREN = (SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, CONFIG_MAPS, VOLUME_CLAIMS, JOBS)
OPERATORS_PART = ("conditions", "startTime", "completionTime", "observedGeneration")
_CORRECTABLE = (Reason.INVALID_SPEC, Reason.NAME_CONFLICT, "DatasetNotReady")
"""Bad ends only of what was started; else the user may still set it right."""
_NEVER_STARTED = (Reason.IMAGE_UNAVAILABLE, Reason.POD_CANNOT_START)


def check_rest(control: Controller[Any], current: Scene) -> None:
    """A world at rest: the operator has nothing to write, and the end is the one that should be."""
    subject, world = current.subject, current.world
    accepted = run_pass(control, world.copy(), subject.target).accepted
    assert accepted == 0, f"at rest, the operator still writes: {accepted} times"
    obj = world.objects.get(subject.target)
    if obj is None:
        name = subject.child(JOBS).name
        left = [str(one) for one, child in world.objects.items() if one.name.startswith(name) and controller(child)]
        assert not left, f"deleted, and left behind: {left}"
        return
    recorded, expected = condition(obj, subject.kind.summary), _expected(current, obj)
    found = State(recorded.get("status", ""), recorded.get("reason", ""), recorded.get("message", ""))
    assert found.says(expected) or _pod_gone(current, found), f"at rest with {found}, not {expected}"
    started, final = bool(dig(obj, "status", "startTime")), found.summary != "Unknown"
    ended = final and (started or found.reason not in _CORRECTABLE)
    assert ended == bool(dig(obj, "status", "completionTime")), f"completionTime does not go with {found}"
    assert is_true(obj, "Suspended") == (found.reason == Reason.SUSPENDED)
    assert not is_true(obj, "Running")
    assert not (ended and "ttlSecondsAfterFinished" in obj["spec"]), "it should have deleted itself"


def _expected(current: Scene, obj: Json) -> State:
    """What the summary says where all is at rest, from what there is."""
    subject, world = current.subject, current.world
    job, foreign = world.objects.get(subject.child(JOBS)), world.objects.get(subject.child(CONFIG_MAPS))
    if job is not None and kubernetes.crashes(world, job) >= subject.tries:
        return State("False", Reason.DRIVER_FAILED, "exit code 1")
    if job is not None and is_true(job, "Complete"):
        return subject.good_end
    if job is not None and is_true(job, "Failed"):
        return subject.bad_end
    if subject.wrong and subject.wrong.items() <= obj["spec"].items():
        return State("False", Reason.INVALID_SPEC)
    if foreign and not controller(foreign):
        return State("False", Reason.NAME_CONFLICT)
    if current.image_missing and dig(obj, "status", "completionTime"):
        return State("False", Reason.IMAGE_UNAVAILABLE)
    if obj["spec"].get("suspend"):
        return State("Unknown", Reason.SUSPENDED)
    if waits := subject.waits(world, obj, job):
        return waits
    return State("Unknown", Reason.PENDING, "quota") if world.over_quota else subject.good_end


def _pod_gone(current: Scene, found: State) -> bool:
    """Whether it says that it cannot know more of the end: a pod that was told to stop is let go once it has ended."""
    job = current.world.objects.get(current.subject.child(JOBS))
    if job is None or kubernetes.own_pods(current.world, job):
        return False
    if is_true(job, "Complete"):
        return found.says(State("True", current.subject.kind.good_ends[0], "the pod that knew more is gone"))
    return is_true(job, "Failed") and found.says(State("False", Reason.DRIVER_FAILED, "The driver's pod is gone"))


def check_world(subject: Subject, world: ApiServer) -> None:
    """What holds in every world."""
    for resource in (*CHILDREN, *subject.more_children):
        owners = [controller(obj).get("uid") for obj in world.of(resource) if controller(obj)]
        assert len(owners) == len(set(owners)), f"more than one {resource.kind} of one {subject.kind.resource.kind}"
    running = kubernetes.running(world)
    assert len(running) <= 1, "two drivers share a study"
    for pod in running:
        _check_data(subject, world, pod)
    obj, job = world.objects.get(subject.target), world.objects.get(subject.child(JOBS))
    if obj is None:
        return
    subject.status.model_validate(obj.get("status") or {})
    if job and controller(job).get("uid") == obj["metadata"]["uid"]:
        image = job["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == subject.image(obj["spec"]), "the Job was made from another spec"


def _check_data(subject: Subject, world: ApiServer, pod: Json) -> None:
    """What a driver reads stays as long as it runs, and what is not its own it can only read."""
    for target in subject.reads:
        assert target in world.objects, f"{target} is gone while a driver reads it"
    for claim in kubernetes.claims(pod):
        its_own = claim["claimName"] == controller(pod)["name"]
        assert its_own or claim.get("readOnly"), f"the driver may write to {claim['claimName']}"


def check_change(subject: Subject, world: ApiServer, change: Change) -> None:
    """What holds of every write."""
    before, after, kind = change.before, change.after, subject.kind.resource
    if change.by == OPERATOR and change.target.resource is not kind:
        over = dig(world.objects.get(subject.target), "status", "completionTime")
        assert not over, f"{change.target} was changed after the end"
        assert before is None or controller(before).get("kind") == kind.kind, f"{change.target} is not ours"
    if change.target.resource is JOBS and before is None and after is not None:
        assert subject.may_start(world), "the Job is made before what it reads is there"
        kinds = (*CHILDREN, *subject.more_children)
        needed = [subject.child(resource) for resource in kinds if resource is not JOBS]
        assert all(one in world.objects for one in needed), "the Job starts before what it needs"
        owners = {controller(world.objects[one]).get("uid") for one in needed}
        assert owners == {controller(after).get("uid")}, "the Job starts among another's objects"
    if change.target == subject.target and before is not None and after is not None and change.by != "user":
        _check_status(subject, world, change.by, before.get("status") or {}, after.get("status") or {})


def _check_status(subject: Subject, world: ApiServer, by: str, before: Json, after: Json) -> None:
    _check_times(world, before, after)
    summary = subject.kind.summary
    old, new = condition({"status": before}, summary), condition({"status": after}, summary)
    verdict = old.get("status")
    if verdict in ("True", "False") and "startTime" in before:
        assert new["status"] == verdict, "the verdict has changed"
        assert new["reason"] == old["reason"], "the verdict's reason has changed"
    if new.get("status") == "True" and verdict != "True":
        job = world.objects.get(subject.child(JOBS))
        assert is_true(job, "Complete"), "success was claimed of a Job that is not complete"
    if by != OPERATOR:
        return
    if "completionTime" in after:
        left = [one for one in map(subject.child, subject.more_children) if one in world.objects]
        assert not left, f"the end was recorded, and there is still {left}"
    reports = [{key: one for key, one in status.items() if key not in OPERATORS_PART} for status in (before, after)]
    assert reports[0] == reports[1], "the operator has touched what is the driver's"
    assert not (reports[0] and new["reason"] in _NEVER_STARTED), "a driver that has run was said to be unable to start"
    if is_true({"status": after}, "Running") and not is_true({"status": before}, "Running"):
        assert any(pod for pod in world.of(PODS)), "a driver was said to run where there is no pod"


def _check_times(world: ApiServer, before: Json, after: Json) -> None:
    for time in ("startTime", "completionTime"):
        assert time not in before or before[time] == after.get(time), f"{time} has changed"
    old = {one["type"]: one for one in before.get("conditions", [])}
    new = {one["type"]: one for one in after.get("conditions", [])}
    assert old.keys() <= new.keys(), "a condition is gone"
    for kind, one in new.items():
        before_it = old.get(kind, {}).get("lastTransitionTime", "")
        if one["status"] == old.get(kind, {}).get("status"):
            assert one["lastTransitionTime"] == before_it, f"lastTransitionTime of {kind} moved without a transition"
        else:
            assert before_it <= one["lastTransitionTime"] <= format_time(world.now)
