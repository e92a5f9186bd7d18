"""The rest of a cluster, step by step: garbage collection, the Job controller, and the kubelet with its pods.

Each step is a function of the world that does one thing, or nothing if there is nothing to do.
"""

from collections.abc import Iterable, Mapping

from afina_operator.conditions import format_time, is_true
from afina_operator.ownership import controller
from afina_operator.resources import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    RAY_CLUSTERS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    VOLUME_CLAIMS,
    Json,
    Ref,
    Resource,
    dig,
    ref,
)
from world.apiserver import ApiServer

_COLLECTED = (SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, CONFIG_MAPS, RAY_CLUSTERS, JOBS, PODS, VOLUME_CLAIMS)
_ENDED = ("Succeeded", "Failed")


def collect_garbage(world: ApiServer) -> None:
    """Remove one object whose controller is gone; a pod that runs is told to stop, a volume in use is kept."""
    for resource in _COLLECTED:
        for obj in world.of(resource):
            if _is_garbage(world, obj) and not _in_use(world, obj):
                _take_away(world, obj)
                return


def run_job_controller(world: ApiServer) -> None:
    """Bring one Job a step further: count what ended, stop what is suspended, start what is missing."""
    for job in world.of(JOBS):
        if not _has_ended(job) and (_count(world, job) or _stop_suspended(world, job) or _start(world, job)):
            return


def start_pods(world: ApiServer) -> None:
    """The kubelet starts the pods that wait, and for whom all is there that they mount."""
    for pod in world.of(PODS):
        if dig(pod, "status", "phase") == "Pending" and not dig(pod, "metadata", "deletionTimestamp"):
            if missing := _missing(world, pod, VOLUME_CLAIMS, (one["claimName"] for one in claims(pod))):
                _leave_unplaced(world, pod, f'persistentvolumeclaim "{missing}" not found')
            elif not _missing(world, pod, CONFIG_MAPS, _config_maps(pod)):
                _set_pod(world, pod, "Running", {"running": {}})


def fail_image(world: ApiServer) -> None:
    """The kubelet cannot pull the image of the pods that wait."""
    for pod in world.of(PODS):
        if dig(pod, "status", "phase") == "Pending":
            _set_pod(world, pod, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})


def end_drivers(world: ApiServer, code: int, words: str = "") -> None:
    """The running drivers exit with that code, having written those words."""
    for pod in running(world):
        ended = {"terminated": {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": words}}
        _set_pod(world, pod, "Failed" if code else "Succeeded", ended)


def stop_pods(world: ApiServer) -> None:
    """The kubelet ends the pods that were deleted; a driver exits with 143."""
    for pod in world.of(PODS):
        if dig(pod, "metadata", "deletionTimestamp"):
            if dig(pod, "status", "phase") == "Running":
                end_drivers(world, 143)
            else:
                world.remove(ref(pod), "kubelet")


def evict(world: ApiServer) -> None:
    """The running pods are told to leave their node."""
    for pod in running(world):
        _mark_deleted(world, pod)


def crashes(world: ApiServer, job: Json) -> int:
    """How many drivers of that Job have ended with code 1."""
    path = ("status", "containerStatuses", 0, "state", "terminated", "exitCode")
    return sum(dig(pod, *path) == 1 for pod in own_pods(world, job))


def claims(pod: Json) -> list[Json]:
    """The volume claims that a pod mounts."""
    return [one["persistentVolumeClaim"] for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one]


def running(world: ApiServer) -> list[Json]:
    """The pods whose driver runs."""
    return [pod for pod in world.of(PODS) if dig(pod, "status", "phase") == "Running"]


def _is_garbage(world: ApiServer, obj: Json) -> bool:
    uid = controller(obj).get("uid")
    return uid is not None and all(one["metadata"]["uid"] != uid for one in world.objects.values())


def _in_use(world: ApiServer, obj: Json) -> bool:
    name = obj["metadata"]["name"]
    mounted = (one["claimName"] for pod in running(world) for one in claims(pod))
    return ref(obj).resource is VOLUME_CLAIMS and name in mounted


def _config_maps(pod: Json) -> list[str]:
    return [one["configMap"]["name"] for one in pod["spec"]["volumes"] if "configMap" in one]


def _missing(world: ApiServer, pod: Json, resource: Resource, names: Iterable[str]) -> str | None:
    namespace = pod["metadata"]["namespace"]
    return next((name for name in names if Ref(resource, namespace, name) not in world.objects), None)


def _take_away(world: ApiServer, obj: Json) -> None:
    if ref(obj).resource is PODS and dig(obj, "status", "phase") == "Running":
        _mark_deleted(world, obj)
    else:
        world.remove(ref(obj), "garbage-collector")


def _mark_deleted(world: ApiServer, pod: Json) -> None:
    mark = {"deletionTimestamp": format_time(world.now)}
    world.edit(ref(pod), lambda obj: {**obj, "metadata": {**obj["metadata"], **mark}}, "controller")


def own_pods(world: ApiServer, job: Json) -> list[Json]:
    """The pods of that very Job."""
    return [pod for pod in world.of(PODS) if controller(pod).get("uid") == job["metadata"]["uid"]]


def _has_ended(job: Json) -> bool:
    return is_true(job, "Complete") or is_true(job, "Failed")


def _count(world: ApiServer, job: Json) -> bool:
    """Take note of one pod that ended. A deleted one is let go afterwards, any other is kept for people to see."""
    counted = dig(job, "status", "counted") or []
    for pod in own_pods(world, job):
        if dig(pod, "status", "phase") in _ENDED and pod["metadata"]["uid"] not in counted:
            _set_job(world, job, _verdict(job, pod), [*counted, pod["metadata"]["uid"]])
            if dig(pod, "metadata", "deletionTimestamp"):
                world.remove(ref(pod), "job-controller")
            return True
    return False


def _verdict(job: Json, pod: Json) -> tuple[int, Json | None]:
    """The count of failed pods, and the condition that ends the Job."""
    code = dig(pod, "status", "containerStatuses", 0, "state", "terminated", "exitCode")
    failed = dig(job, "status", "failed") or 0
    if code == 0:
        return failed, {"type": "Complete", "reason": "CompletionsReached"}
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        if code in (dig(rule, "onExitCodes", "values") or ()):
            fails = rule["action"] == "FailJob"
            return failed, {"type": "Failed", "reason": "PodFailurePolicy", "message": "exit code"} if fails else None
    if failed + 1 > job["spec"]["backoffLimit"]:
        return failed + 1, {"type": "Failed", "reason": "BackoffLimitExceeded", "message": "backoff limit reached"}
    return failed + 1, None


def _set_job(world: ApiServer, job: Json, verdict: tuple[int, Json | None], counted: list[str]) -> None:
    failed, end = verdict
    status = {**(job.get("status") or {}), "failed": failed, "counted": counted}
    if end:
        status["conditions"] = [{**end, "status": "True", "lastTransitionTime": format_time(world.now)}]
    world.edit(ref(job), lambda obj: {**obj, "status": status}, "job-controller")


def _stop_suspended(world: ApiServer, job: Json) -> bool:
    active = [pod for pod in own_pods(world, job) if dig(pod, "status", "phase") not in _ENDED]
    if not job["spec"].get("suspend"):
        return False
    for pod in active:
        if not dig(pod, "metadata", "deletionTimestamp"):
            _mark_deleted(world, pod)
            return True
    return False


def _start(world: ApiServer, job: Json) -> bool:
    active = [pod for pod in own_pods(world, job) if dig(pod, "status", "phase") not in _ENDED]
    if active or job["spec"].get("suspend"):
        return False
    name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    count = sum(made for target, made in world.made.items() if target.resource is PODS)
    owner = {"apiVersion": JOBS.api_version, "kind": JOBS.kind, "name": name, "uid": job["metadata"]["uid"]}
    pod = {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            "name": f"{name}-{count}",
            "namespace": namespace,
            "labels": job["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {"volumes": job["spec"]["template"]["spec"]["volumes"]},
        "status": {"phase": "Pending"},
    }
    world.make(pod, "job-controller")
    return True


def _leave_unplaced(world: ApiServer, pod: Json, why: str) -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "message": why}
    world.edit(ref(pod), lambda obj: {**obj, "status": {"phase": "Pending", "conditions": [scheduled]}}, "scheduler")


def _set_pod(world: ApiServer, pod: Json, phase: str, state: Mapping[str, object]) -> None:
    container = {"name": "driver", "image": "image", "state": state}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": pod["metadata"]["creationTimestamp"]}
    status = {"phase": phase, "conditions": [scheduled], "containerStatuses": [container]}
    world.edit(ref(pod), lambda obj: {**obj, "status": status}, "kubelet")
