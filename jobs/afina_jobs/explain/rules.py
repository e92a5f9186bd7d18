"""The order in which causes are looked for: the first that applies explains the object."""

from collections.abc import Callable

from afina_api.reasons import Reason
from afina_jobs.durations import duration
from afina_jobs.explain import dying, starting
from afina_jobs.explain.facts import Explanation, Facts, Json, dig, named, one_line
from afina_jobs.explain.remedies import remedy
from afina_jobs.explain.trials import failing

PATIENCE_SECONDS = 30.0
"""So long the operator may take to see what has changed."""

Rule = Callable[[Facts], Explanation | None]


def explain(facts: Facts) -> Explanation:
    """Why the object is as it is."""
    rules = [_deleting, _unseen, *_by_state(facts)]
    return next(found for rule in rules if (found := rule(facts)))


def _by_state(facts: Facts) -> tuple[Rule, ...]:
    """The rules that fit the state which the conditions tell."""
    reason = facts.summary.get("reason")
    if facts.obj["kind"] == "ModelDeployment":
        return (*_PODS, _serving)
    if facts.summary.get("status") == "Unknown":
        return (_told,) if reason == Reason.SUSPENDED else (_queued, *_PODS, _workers, failing, _told)
    return (*_ENDS.get(str(reason), ()), _told)


def _deleting(facts: Facts) -> Explanation | None:
    since = dig(facts.obj, "metadata", "deletionTimestamp")
    if not since:
        return None
    holders = dig(facts.obj, "metadata", "finalizers") or []
    return Explanation(
        "It is being deleted.",
        (f"metadata.deletionTimestamp: {since}", f"finalizers: {', '.join(holders) or 'none'}"),
        "Wait: it goes when its finalizers are gone.",
    )


def _unseen(facts: Facts) -> Explanation | None:
    """The operator has not taken note of the object, of its last change, or of the end of its Job."""
    generation = dig(facts.obj, "metadata", "generation") or 0
    observed = dig(facts.obj, "status", "observedGeneration")
    waits = facts.seconds_since(_changed(facts.obj))
    if observed is None or observed < generation:
        seen = f"metadata.generation {generation}, status.observedGeneration {observed or 'missing'}"
    elif waits := _unnoticed_end(facts):
        seen = f"{named(facts.child('Job') or {})} has ended, and condition {facts.kind.summary} is still Unknown"
    else:
        return None
    if waits < PATIENCE_SECONDS:
        return Explanation(
            "The operator has not seen it yet.", (f"{seen}, since {duration(waits)}",), "Look again in a few seconds."
        )
    return Explanation(
        f"The operator has not seen it for {duration(waits)}: it does not run, or cannot write.",
        (seen,),
        "See `kubectl get pods -A -l app.kubernetes.io/name=afina,app.kubernetes.io/component=operator`, and its log.",
    )


def _changed(obj: Json) -> str:
    """When somebody last wrote to the object itself, not to its status."""
    writes = dig(obj, "metadata", "managedFields") or []
    times = [str(write.get("time")) for write in writes if not write.get("subresource") and write.get("time")]
    return max(times, default=str(dig(obj, "metadata", "creationTimestamp")))


def _unnoticed_end(facts: Facts) -> float:
    """Seconds since the Job ended, if the status does not say so."""
    ends = dig(facts.child("Job"), "status", "conditions") or []
    moment = next((one["lastTransitionTime"] for one in ends if one["type"] in ("Complete", "Failed")), None)
    return facts.seconds_since(moment) if facts.summary.get("status") == "Unknown" else 0.0


def _queued(facts: Facts) -> Explanation | None:
    queue = dig(facts.obj, "metadata", "labels", "kueue.x-k8s.io/queue-name")
    child = facts.child("Job")
    if not queue or not dig(child, "spec", "suspend"):
        return None
    return Explanation(
        f"It waits in the Kueue queue {queue!r} until there is room.",
        (f"{named(child or {})}: spec.suspend is true",),
        f"See `kubectl describe localqueue {queue}` and `kubectl get workloads`: that the queue exists, and its quota.",
    )


def _workers(facts: Facts) -> Explanation | None:
    """KubeRay has not brought all workers."""
    cluster = facts.child("RayCluster")
    wanted = dig(cluster, "spec", "workerGroupSpecs", 0, "replicas") or 0
    ready = dig(cluster, "status", "readyWorkerReplicas") or 0
    if cluster is None or ready >= wanted:
        return None
    seen = f"{named(cluster)}: {ready} of {wanted} workers ready"
    if not dig(cluster, "status"):
        return Explanation(
            "KubeRay has not seen the Ray cluster: it does not run.",
            (f"{seen}, no status",),
            "See `kubectl get pods -A -l app.kubernetes.io/name=kuberay-operator`, and its log.",
        )
    return Explanation(
        f"Of its {wanted} workers, {ready} are ready.",
        (seen,),
        f"Wait, and look again; `kubectl get pods -l ray.io/cluster={dig(cluster, 'metadata', 'name')}`.",
    )


def _serving(facts: Facts) -> Explanation:
    """A ModelDeployment: whether it serves comes first, then what became of a rollout, then where one is."""
    ready, back = facts.condition("Ready"), facts.condition("RolledBack")
    judged, progress = facts.condition("Inconclusive"), facts.condition("Progressing")
    if ready.get("status") != "True":
        return _as_told(facts, ready)
    if back.get("status") == "True":
        return _as_told(facts, back)
    if progress.get("reason") not in ("InStep", "Stable"):
        return _as_told(facts, progress)
    if judged.get("status") == "True":
        return _as_told(facts, judged)
    return _as_told(facts, progress if progress.get("reason") == "InStep" else ready)


def _told(facts: Facts) -> Explanation:
    return _as_told(facts, facts.summary)


def _as_told(facts: Facts, condition: Json) -> Explanation:
    """What the condition says, in the words that its reason is documented with."""
    reason, kind = str(condition.get("reason")), facts.obj["kind"]
    known = next((one.meaning for one in facts.kind.reasons if one == reason), reason)
    meaning = known.split(": ", 1)[-1]
    seen = f"condition {condition.get('type')} is {condition.get('status')}, {reason}"
    message = one_line(condition.get("message"))
    return Explanation(
        (meaning[:1].upper() + meaning[1:]).replace("`", ""),
        (f"{seen}: {message}" if message else seen,),
        remedy(kind, reason, facts.name, facts.kind.short),
    )


def _no_image(facts: Facts) -> Explanation | None:
    """The pod may be gone: then its condition says what was wrong with the image."""
    told = _told(facts)
    step = starting.correct_image(facts, told.evidence[0])
    again = f"Then delete {facts.kind.short} {facts.name} and apply it again."
    return starting.image(facts) or Explanation(told.cause, told.evidence, f"{step} {again}")


_PODS: tuple[Rule, ...] = (
    starting.refused,
    starting.image,
    starting.configuration,
    starting.volume,
    starting.room,
    dying.memory,
    dying.evicted,
    dying.crashing,
)
_ENDS: dict[str, tuple[Rule, ...]] = {
    Reason.TOO_MANY_FAILED_TRIALS: (failing,),
    Reason.NO_TRIAL_SUCCEEDED: (failing,),
    Reason.DRIVER_FAILED: (dying.memory, dying.crashing),
    Reason.IMAGE_UNAVAILABLE: (_no_image,),
    Reason.POD_CANNOT_START: (starting.refused, starting.configuration),
}
"""What is looked for after an end of that reason, before the condition's own words."""
