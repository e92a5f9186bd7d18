"""TuningJobs in the simulated world: their users, their drivers, and what must always hold of them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJobStatus
from afina_operator.conditions import condition, format_time, is_true
from afina_operator.driver import handlers
from afina_operator.ownership import controller
from afina_operator.reconciler import Controller
from afina_operator.resources import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    TUNING_JOBS,
    VOLUME_CLAIMS,
    Json,
    Ref,
    dig,
)
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import KIND
from world import kubernetes
from world.apiserver import OPERATOR, ApiServer, Change
from world.explore import Model
from world.passes import Fault, Step, run_pass

NAMESPACE, NAME = "lab", "wine"
TARGET = Ref(TUNING_JOBS, NAMESPACE, NAME)
JOB = Ref(JOBS, NAMESPACE, f"tj-{NAME}")
FOREIGN = Ref(CONFIG_MAPS, NAMESPACE, f"tj-{NAME}")
CHILDREN = (SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, CONFIG_MAPS, VOLUME_CLAIMS, JOBS)
SPEC: Json = {
    "objectives": [{"metric": "rmse", "goal": "Minimize"}],
    "parameters": [{"name": "x", "float": {"min": 0, "max": 1}}],
    "budget": {"maxTrials": 5, "parallelTrials": 1, "maxFailedTrials": 3},
    "trial": {"command": {"argv": ["train"]}, "image": "lab/train:1"},
}
GOOD_END = json.dumps({"reason": "TargetReached", "message": "rmse 0.51 reaches the target of 0.55"})
BAD_END = json.dumps({"reason": "TooManyFailedTrials", "message": "4 trials failed, 3 may"})
OPERATORS_PART = ("conditions", "startTime", "completionTime", "observedGeneration")
BAD_ARGUMENTS = ["train", "$(params.depth)"]
"""They name a parameter that does not exist."""
PAST_DEADLINE = 200.0
"""Seconds after which a pod that cannot start has had its time."""
SILENT_AFTER = 4
"""Passes: the start, the verdict, the end, and one to see that all is done."""


def tuning_job(**spec: Any) -> Json:
    """A TuningJob as a user applies it."""
    metadata = {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": TUNING_JOBS.api_version, "kind": TUNING_JOBS.kind, "metadata": metadata, "spec": SPEC | spec}


def operator() -> Controller[Any]:
    """The operator's own controller."""
    return handlers.controller(KIND, Settings())


@dataclass(frozen=True)
class Scene:
    """A world, and how often each thing may still happen in it."""

    world: ApiServer
    left: Mapping[str, int] = field(default_factory=dict)
    image_missing: bool = False

    def copy(self) -> Self:
        """The same scene, to take another step in."""
        return replace(self, world=self.world.copy())

    def key(self) -> object:
        """What the future depends on."""
        return self.world.state(), tuple(sorted(self.left.items()))


def scene(
    *actions: str, image_missing: bool = False, foreign: bool = False, over_quota: bool = False, **spec: Any
) -> Scene:
    """A TuningJob of that spec was just applied; each action may happen once.

    Args:
        actions: names of `ACTIONS`.
        image_missing: no pod can start for want of its image.
        foreign: a ConfigMap of somebody else has the name of a child.
        over_quota: the namespace may have no volume.
        spec: what differs from `SPEC`.
    """
    world = ApiServer(check=check_change, over_quota=frozenset({VOLUME_CLAIMS} if over_quota else ()))
    world.make(tuning_job(**spec), "user")
    if foreign:
        metadata = {"name": FOREIGN.name, "namespace": NAMESPACE}
        world.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}, "user")
    return Scene(world, dict.fromkeys(actions, 1), image_missing)


# What people and drivers do. An action that makes no sense in a world does nothing.


def _edit_spec(world: ApiServer, **changes: Any) -> None:
    if TARGET in world.objects:
        world.edit(TARGET, lambda job: {**job, "spec": job["spec"] | changes}, "user")


def _grow(world: ApiServer) -> None:
    _edit_spec(world, budget=SPEC["budget"] | {"maxTrials": 50, "timeoutSeconds": 3600})


def _change_image(world: ApiServer) -> None:
    """What the API server refuses once `startTime` is there."""
    if not dig(world.objects.get(TARGET), "status", "startTime"):
        _edit_spec(world, trial=SPEC["trial"] | {"image": "lab/train:2"})


def _delete(world: ApiServer) -> None:
    if TARGET in world.objects:
        world.remove(TARGET, "user")


def _delete_foreground(world: ApiServer) -> None:
    if TARGET in world.objects:
        mark = {"deletionTimestamp": format_time(world.now)}
        world.edit(TARGET, lambda job: {**job, "metadata": job["metadata"] | mark}, "user")


def _recreate(world: ApiServer) -> None:
    if TARGET not in world.objects:
        world.make(tuning_job(), "user")


def _delete_job(world: ApiServer) -> None:
    if JOB in world.objects:
        world.remove(JOB, "user")


def _lose_status(world: ApiServer) -> None:
    """Somebody restores the TuningJob from a backup, without its status."""
    if TARGET in world.objects:
        world.edit(TARGET, lambda job: {key: value for key, value in job.items() if key != "status"}, "user")


def _report(world: ApiServer) -> None:
    if kubernetes.running(world) and TARGET in world.objects:
        status = {
            "trials": {"total": 2, "succeeded": 1, "running": 1},
            "summary": {"best": "rmse 0.6", "trials": "1/5"},
        }
        metadata = {"name": NAME, "namespace": NAMESPACE}
        named = {"apiVersion": TUNING_JOBS.api_version, "kind": TUNING_JOBS.kind, "metadata": metadata}
        world.write_status({**named, "status": status}, "afina-driver")


def _raise_quota(world: ApiServer) -> None:
    world.over_quota = frozenset()


def _take_foreign_away(world: ApiServer) -> None:
    if FOREIGN in world.objects and not controller(world.objects[FOREIGN]):
        world.remove(FOREIGN, "user")


ACTIONS: Mapping[str, Step] = {
    "suspend": lambda world: _edit_spec(world, suspend=True),
    "resume": lambda world: _edit_spec(world, suspend=False),
    "grow": _grow,
    "change image": _change_image,
    "correct the spec": lambda world: _edit_spec(world, trial=SPEC["trial"]),
    "raise the quota": _raise_quota,
    "take the foreign object away": _take_foreign_away,
    "delete": _delete,
    "delete in foreground": _delete_foreground,
    "recreate": _recreate,
    "delete the Job": _delete_job,
    "lose the status": _lose_status,
    "driver reports": _report,
    "driver crashes": lambda world: kubernetes.end_drivers(world, 1),
    "driver gives up": lambda world: kubernetes.end_drivers(world, 10, BAD_END),
    "driver ends": lambda world: kubernetes.end_drivers(world, 0, GOOD_END),
    "time passes": lambda world: world.wait(PAST_DEADLINE),
}


def nature(image_missing: bool) -> Mapping[str, Step]:
    """What the cluster does by itself."""
    return {
        "garbage is collected": collect,
        "the Job controller acts": kubernetes.run_job_controller,
        "pods stop": kubernetes.stop_pods,
        "pods start": kubernetes.fail_image if image_missing else kubernetes.start_pods,
    }


def collect(world: ApiServer) -> None:
    """Garbage collection, of which a foreground deletion is a part."""
    job = world.objects.get(TARGET)
    if job and dig(job, "metadata", "deletionTimestamp"):
        uid = job["metadata"]["uid"]
        owned = [target for target, obj in world.objects.items() if controller(obj).get("uid") == uid]
        world.remove(owned[0] if owned else TARGET, "garbage-collector")
    else:
        kubernetes.collect_garbage(world)


# What happens next, and what must hold.


def model(control: Controller[Any]) -> Model[Scene]:
    """All that can happen to a TuningJob under that controller."""
    return Model(
        key=Scene.key,
        steps=lambda current: _steps(control, current),
        settle=lambda current: _settle(control, current),
        check_settled=lambda current: check_rest(control, current),
    )


def _steps(control: Controller[Any], before: Scene) -> Iterator[tuple[str, Scene]]:
    _check_silence(control, before)
    others = dict(_others(before))
    for name, act in others.items():
        yield name, _stepped(before, act)
    yield "pass", _stepped(before, partial(_pass, control))
    for number in range(_writes(control, before)):
        # To crash before the first write is to do nothing.
        crash = {"crash": Fault(number)} if number else {}
        for name, fault in {**crash, "refusal": Fault(number, refused=True)}.items():
            yield f"{name} at {number}", _stepped(before, partial(_pass, control, fault=fault))
        for name, act in others.items():
            yield f"{name} at {number}", _stepped(before, partial(_race, control, at=number, act=act))


Act = Callable[[Scene], Scene]


def _others(scene: Scene) -> Iterator[tuple[str, Act]]:
    """All that anybody but the operator may do."""
    for name, step in nature(scene.image_missing).items():
        yield name, partial(_did, step=step)
    for name, count in scene.left.items():
        if count:
            yield name, partial(_acted, name=name)


def _did(current: Scene, step: Step) -> Scene:
    step(current.world)
    return current


def _acted(current: Scene, name: str) -> Scene:
    before = current.world.state()
    ACTIONS[name](current.world)
    if current.world.state() == before:
        return current
    return replace(current, left={**current.left, name: current.left[name] - 1})


def _pass(control: Controller[Any], current: Scene, *, fault: Fault | None = None) -> Scene:
    run_pass(control, current.world, TARGET, fault)
    return current


def _race(control: Controller[Any], current: Scene, *, at: int, act: Act) -> Scene:
    """Somebody acts between what the operator sees and what it writes."""
    acted = [current]

    def meanwhile(_: ApiServer) -> None:
        acted.append(act(current))

    run_pass(control, current.world, TARGET, Fault(at, meanwhile))
    return acted[-1]


def _writes(control: Controller[Any], before: Scene) -> int:
    return run_pass(control, before.world.copy(), TARGET).tried


def _stepped(before: Scene, act: Act) -> Scene:
    after = act(before.copy())
    check_world(after.world)
    return after


def _check_silence(control: Controller[Any], before: Scene) -> None:
    """Alone with a world that does not move, the operator has soon nothing left to write."""
    world = before.world.copy()
    for _ in range(SILENT_AFTER):
        if run_pass(control, world, TARGET).accepted == 0:
            return
    raise AssertionError("it writes in every pass")


def _settle(control: Controller[Any], before: Scene) -> Scene | None:
    """The next step when everybody does his work: the operator, the cluster, the driver, and then time."""
    work = partial(_pass, control)
    everybody = [partial(_did, step=step) for step in nature(before.image_missing).values()]
    driver = partial(_did, step=ACTIONS["driver ends"])
    acts: list[Act] = [work, *everybody, driver, lambda current: work(_did(current, ACTIONS["time passes"]))]
    for act in acts:
        after = _stepped(before, act)
        if after.world.digests != before.world.digests:
            return after
    return None


def check_rest(control: Controller[Any], current: Scene) -> None:
    """A world at rest: the operator has nothing to write, and the end is the one that should be."""
    world = current.world
    accepted = run_pass(control, world.copy(), TARGET).accepted
    assert accepted == 0, f"at rest, the operator still writes: {accepted} times"
    job = world.objects.get(TARGET)
    if job is None:
        leftovers = [str(target) for target, obj in world.objects.items() if controller(obj)]
        assert not leftovers, f"deleted, and left behind: {leftovers}"
        return
    recorded = condition(job, "Succeeded")
    found = recorded.get("status"), recorded.get("reason")
    assert found == _expected(current, job), f"at rest with {found}, not {_expected(current, job)}"
    if found == ("Unknown", Reason.PENDING):
        assert "quota" in recorded["message"], "it waits, and does not say what for"
        return
    ended = found[0] != "Unknown" and found[1] not in (Reason.INVALID_SPEC, Reason.NAME_CONFLICT)
    assert ended == bool(dig(job, "status", "completionTime")), f"completionTime does not go with {found}"
    assert is_true(job, "Suspended") == (found[1] == Reason.SUSPENDED)
    assert not is_true(job, "Running")
    assert not (ended and "ttlSecondsAfterFinished" in job["spec"]), "it should have deleted itself"


def _expected(current: Scene, job: Json) -> tuple[str, Reason]:
    """Status and reason of `Succeeded` where all is at rest, from what there is."""
    world, child = current.world, current.world.objects.get(JOB)
    if child is not None and is_true(child, "Complete"):
        return "True", Reason.TARGET_REACHED
    if child is not None and is_true(child, "Failed"):
        return "False", Reason.TOO_MANY_FAILED_TRIALS
    if job["spec"]["trial"]["command"]["argv"] == BAD_ARGUMENTS:
        return "False", Reason.INVALID_SPEC
    if FOREIGN in world.objects and not controller(world.objects[FOREIGN]):
        return "False", Reason.NAME_CONFLICT
    if current.image_missing and dig(job, "status", "completionTime"):
        return "False", Reason.IMAGE_UNAVAILABLE
    if job["spec"].get("suspend"):
        return "Unknown", Reason.SUSPENDED
    if world.over_quota:
        return "Unknown", Reason.PENDING
    return "True", Reason.TARGET_REACHED


def check_world(world: ApiServer) -> None:
    """What holds in every world."""
    for resource in CHILDREN:
        owners = [controller(obj).get("uid") for obj in world.of(resource) if controller(obj)]
        assert len(owners) == len(set(owners)), f"more than one {resource.kind} of one TuningJob"
    assert len(kubernetes.running(world)) <= 1, "two drivers share a study"
    job, child = world.objects.get(TARGET), world.objects.get(JOB)
    if job is None:
        return
    TuningJobStatus.model_validate(job.get("status") or {})
    if child and controller(child).get("uid") == job["metadata"]["uid"]:
        image = child["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == job["spec"]["trial"]["image"], "the Job was made from another spec"


def check_change(world: ApiServer, change: Change) -> None:
    """What holds of every write."""
    before, after = change.before, change.after
    if change.by == OPERATOR and change.target.resource is not TUNING_JOBS:
        over = dig(world.objects.get(TARGET), "status", "completionTime")
        assert not over, f"{change.target} was changed after the end"
        assert before is None or controller(before).get("kind") == TUNING_JOBS.kind, f"{change.target} is not ours"
    if change.target.resource is JOBS and before is None and after is not None:
        owners = {one: controller(obj).get("uid") for one, obj in world.objects.items() if one.resource in CHILDREN}
        assert set(owners.values()) == {controller(after).get("uid")}, "the Job starts among another's objects"
        assert {one.resource for one in owners} == set(CHILDREN), "the Job starts before what it needs"
    if change.target == TARGET and before is not None and after is not None and change.by != "user":
        _check_status(world, change.by, before.get("status") or {}, after.get("status") or {})


def _check_status(world: ApiServer, by: str, before: Json, after: Json) -> None:
    if by == OPERATOR:
        drivers = [{key: one for key, one in status.items() if key not in OPERATORS_PART} for status in (before, after)]
        assert drivers[0] == drivers[1], "the operator has touched what is the driver's"
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
    verdict = old.get("Succeeded", {}).get("status")
    if verdict in ("True", "False") and "startTime" in before:
        assert new["Succeeded"]["status"] == verdict, "the verdict has changed"
        assert new["Succeeded"]["reason"] == old["Succeeded"]["reason"], "the verdict's reason has changed"
    if new.get("Succeeded", {}).get("status") == "True" and verdict != "True":
        assert is_true(world.objects.get(JOB), "Complete"), "success was claimed of a Job that is not complete"
    if by == OPERATOR and is_true({"status": after}, "Running") and not is_true({"status": before}, "Running"):
        assert any(pod for pod in world.of(PODS)), "a driver was said to run where there is no pod"
