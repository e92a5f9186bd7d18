"""Decides the next step of an object whose work a driver does. Calls no API and reads no clock.

The order of the writes carries it over every crash:
1. `startTime` is recorded first, bound to the version of the spec that was read: from then on the API server keeps
   the spec as it is but for the budget and wider ranges, so all that is made afterwards is made of one spec.
2. Then the children, in the order in which they need each other, the Job last.
3. A failure that the operator finds is recorded before its Job is deleted, `completionTime` after: where a crash
   comes between, the next pass goes on from the record.
4. What has no room for as many trials as the spec asks for by now is deleted, and made again by 2. A driver knows how
   many its pod was made for, and runs no more, whatever the spec says that it reads.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from afina_api.reasons import Reason
from afina_operator.conditions import condition, event, format_time, parse_time
from afina_operator.driver import outcome, pods, room
from afina_operator.driver.children import child_name, children
from afina_operator.driver.kind import InvalidSpecError, Kind, Workload
from afina_operator.driver.observe import Observed
from afina_operator.driver.queue import queue
from afina_operator.driver.status import (
    State,
    completion_time,
    failed,
    is_over,
    is_started,
    record,
    suspended,
    waits,
    with_message,
)
from afina_operator.errors import ClusterError
from afina_operator.ownership import Owner, owner
from afina_operator.plan import Apply, ApplyStatus, Create, Delete, Emit, Patch, Plan, Write
from afina_operator.resources import JOBS, RAY_CLUSTERS, VOLUME_CLAIMS, Json, Resource, bound, contains, dig
from afina_operator.settings import Settings

_SOON, _SELDOM = 5.0, 60.0
"""Seconds until pods, which are not watched, are looked at again."""
_AT_ONCE = 0.0
_NO_KUBERAY = (
    "Workers need KubeRay, and the API server does not know the kind RayCluster: install KubeRay 1.6 or later"
    " (its operator and its CRDs), or set spec.execution.workers to 0."
)
_MADE_ONCE = (VOLUME_CLAIMS, JOBS)
"""Kinds whose spec the API server lets nobody change: they are made, and not applied again."""


def plan(observed: Observed, settings: Settings, now: datetime) -> Plan:
    """The next step."""
    kind, job = observed.kind, observed.job
    if dig(job, "metadata", "deletionTimestamp"):
        return Plan(state="Deleting")
    if is_over(job):
        return _retire(kind, job, now)
    recorded, child = State.recorded(kind, job), _own(observed, JOBS)
    if recorded and recorded.is_final and is_started(job):
        return _finish(observed, child, recorded, now)
    try:
        workload = kind.parse(job, settings)
    except InvalidSpecError as error:
        return _without_spec(observed, child, str(error), settings, now)
    desired = children(kind, job, workload, settings)
    if conflict := _conflict(observed, desired):
        again = _AT_ONCE if is_started(job) else None
        return _say(observed, failed(Reason.NAME_CONFLICT, conflict), now, again_after=again)
    if waiting := _predecessor(observed, desired):
        return _say(observed, waits(Reason.PENDING, waiting), now, again_after=_SOON)
    if child is not None:
        return _follow(observed, child, workload, desired, settings, now)
    return _make(observed, desired, now)


def blocked(kind: Kind[Any], job: Json, error: ClusterError, now: datetime) -> ApplyStatus | None:
    """What the status says when the API server refuses a request; a verdict stands whatever comes after it."""
    before = State.recorded(kind, job)
    if before and before.is_final and is_started(job):
        return None
    state = before if before and not before.is_final else waits(Reason.PENDING, "")
    return record(kind, job, with_message(state, f"The API server refuses what the job needs: {error}"), now)


def _retire(kind: Kind[Any], job: Json, now: datetime) -> Plan:
    """After the end: only the time to live counts."""
    recorded = State.recorded(kind, job)
    state = recorded.reason if recorded else ""
    seen = record(kind, job, recorded, now) if recorded else None
    ended, life = completion_time(job), dig(job, "spec", "ttlSecondsAfterFinished")
    if ended is None or not isinstance(life, int):
        return Plan(_present(seen), state=state)
    left = (ended + timedelta(seconds=life) - now).total_seconds()
    if left > 0:
        return Plan(_present(seen), left, state)
    return Plan((Delete(job),), state=state)


def _finish(observed: Observed, child: Json | None, recorded: State, now: datetime) -> Plan:
    """The verdict is recorded: take away what still runs, then record the end."""
    kind, job = observed.kind, observed.job
    runs = child is not None and not outcome.has_ended(child)
    stop = Delete(child) if child is not None and runs else None
    ended = record(kind, job, recorded, now, completion=format_time(now))
    return Plan(_present(stop, _end_of_ray(observed), ended), state=recorded.reason)


def _without_spec(observed: Observed, child: Json | None, error: str, settings: Settings, now: datetime) -> Plan:
    """The spec cannot be read. What was started with one that could goes on."""
    if child is None:
        text = f"{error}. Correct the spec and apply it again."
        return _say(observed, failed(Reason.INVALID_SPEC, text), now)
    state = outcome.state(observed, child, settings, now)
    if state.is_final:
        return _conclude(observed, child, state, now)
    note = f"{state.message} The spec is invalid by now, and what changed in it has no effect: {error}"
    again = _next_look(observed, child, state, now)
    return _say(observed, with_message(state, note), now, start=_made(child), again_after=again)


def _follow(
    observed: Observed,
    child: Json,
    workload: Workload,
    desired: dict[Resource, Json],
    settings: Settings,
    now: datetime,
) -> Plan:
    """The Job is there: tell how it does, and keep it and its siblings as they should be."""
    state = outcome.state(observed, child, settings, now)
    if state.is_final:
        return _conclude(observed, child, state, now)
    if queue(observed.job) and workload.suspend:
        return _say(observed, state, now, [_deleted(child), _end_of_ray(observed)], again_after=_SOON)
    if not workload.suspend and (unfit := room.unfit(observed, child, desired)):
        return _make_room(observed, child, unfit, desired, now)
    repairs = (*_missing(observed, desired), *_drifted(observed, desired), _adjust(observed, child, workload))
    again = _next_look(observed, child, state, now)
    return _say(observed, state, now, repairs, start=_made(child), again_after=again)


def _make_room(
    observed: Observed, child: Json | None, unfit: Sequence[Json], desired: dict[Resource, Json], now: datetime
) -> Plan:
    """Take away what has no room for as many trials as are asked for, to be made anew."""
    running = child is not None and any(map(pods.is_running, pods.of_job(observed.pods, child)))
    slots = room.of_job(desired[JOBS])
    text = f"budget.parallelTrials is {slots}: the driver hands its trials over to one that has room for so many."
    recorded = State.recorded(observed.kind, observed.job)
    known = recorded is not None and recorded.message == text
    told = None if known else Emit(event(observed.job, "Normal", "Resized", text, now))
    stop = (told, *map(Delete, unfit))
    return _say(observed, waits(Reason.PENDING, text, running=running), now, stop, again_after=_SOON)


def _next_look(observed: Observed, child: Json, state: State, now: datetime) -> float | None:
    """When pods are looked at again: seldom where they have waited long, not where the Job will tell what comes."""
    if state.suspended or (state.running and state.reason == Reason.RUNNING):
        # A Ray cluster is not watched.
        return _SELDOM if state.running and RAY_CLUSTERS in observed.children else None
    own = pods.of_job(observed.pods, child)
    since = parse_time(dig(own[-1] if own else child, "metadata", "creationTimestamp"))
    waited = (now - since).total_seconds() if since else 0.0
    return min(max(_SOON, waited / 12), _SELDOM)


def _conclude(observed: Observed, child: Json, state: State, now: datetime) -> Plan:
    """The end: at once where the Job has ended by itself, otherwise in two steps, the verdict being the first."""
    if outcome.has_ended(child):
        end = outcome.end_time(child, now)
        return _say(observed, state, now, [_end_of_ray(observed)], start=_made(child), completion=end)
    return _say(observed, state, now, start=_made(child), again_after=_AT_ONCE)


def _make(observed: Observed, desired: dict[Resource, Json], now: datetime) -> Plan:
    """There is no Job: it was not started yet, a crash came before it was made, or somebody deleted it."""
    kind, job = observed.kind, observed.job
    if suspended(job):
        text = "Suspended: set spec.suspend to false to start or go on."
        return _say(observed, waits(Reason.SUSPENDED, text, suspended=True), now)
    if obstacle := _unready(observed):
        return _say(observed, obstacle, now, again_after=_SOON)
    name = child_name(kind.prefix, job["metadata"]["name"])
    if pods.leftover(observed.pods, name):
        text = "The pod of a deleted Job of this name still runs: the new one waits for its end."
        return _say(observed, waits(Reason.PENDING, text), now, again_after=_SOON)
    if unfit := room.unfit(observed, None, desired):
        return _make_room(observed, None, unfit, desired, now)
    state = waits(Reason.PENDING, "The driver's Job is made.")
    text = f"The driver's Job {name} is made"
    told = Emit(event(job, "Normal", "Started", text, now))
    made: list[Write] = [*_drifted(observed, desired), *_missing(observed, desired), told]
    if is_started(job):
        return _say(observed, state, now, made, again_after=_SOON)
    return Plan(_present(record(kind, job, state, now, start=format_time(now)), *made), _SOON, state.reason)


def _end_of_ray(observed: Observed) -> Delete | None:
    """Takes the Ray cluster away: with the driver's end it has nothing to do."""
    cluster = _own(observed, RAY_CLUSTERS)
    return Delete(cluster) if cluster is not None else None


def _unready(observed: Observed) -> State | None:
    """What keeps the driver from being started: that what it needs is not Ready; None if nothing does."""
    if observed.lacks_kuberay:
        return waits(Reason.PENDING, _NO_KUBERAY)
    requirement = observed.kind.requires
    target = requirement.find(observed.job) if requirement else None
    if requirement is None or target is None:
        return None
    name, ready = f"{target.resource.kind} {target.name!r}", condition(observed.required, "Ready")
    if observed.required is None:
        return waits(Reason.PENDING, f"There is no {name}: create it.")
    if ready.get("status") == "True":
        return None
    why = f"{ready.get('reason', 'Pending')}: {ready.get('message', '')}"
    if ready.get("status") == "False":
        return failed(requirement.reason, f"{name} is not Ready: {why}")
    return waits(Reason.PENDING, f"{name} is not Ready yet: {why}")


def _own(observed: Observed, resource: Resource) -> Json | None:
    """The child of that kind, if it is this object's."""
    child = observed.children.get(resource)
    return child if child is not None and owner(child, observed.job) is Owner.US else None


def _made(child: Json) -> str | None:
    """When the Job was made: the start, where the status has lost it."""
    moment = parse_time(dig(child, "metadata", "creationTimestamp"))
    return format_time(moment) if moment else None


def _conflict(observed: Observed, desired: dict[Resource, Json]) -> str:
    for resource in desired:
        child = observed.children.get(resource)
        if child is not None and owner(child, observed.job) is Owner.OTHERS:
            name = child["metadata"]["name"]
            return (
                f"{resource.kind} {name!r} exists already and is not this job's: "
                f"delete it, or give the {observed.kind.resource.kind} another name."
            )
    return ""


def _predecessor(observed: Observed, desired: dict[Resource, Json]) -> str:
    kind = observed.kind.resource.kind
    for resource in desired:
        child = observed.children.get(resource)
        if child is not None and owner(child, observed.job) is Owner.PREDECESSOR:
            return f"{resource.kind} {child['metadata']['name']!r} of a deleted {kind} of this name is still there."
    return ""


def _missing(observed: Observed, desired: dict[Resource, Json]) -> tuple[Create, ...]:
    return tuple(Create(child) for resource, child in desired.items() if resource not in observed.children)


def _drifted(observed: Observed, desired: dict[Resource, Json]) -> tuple[Apply, ...]:
    found = []
    for resource, child in desired.items():
        existing = observed.children.get(resource)
        if existing is None or resource in _MADE_ONCE:
            continue
        wanted = _as_admitted(child, existing) if resource == RAY_CLUSTERS and queue(observed.job) else child
        if not contains(existing, wanted):
            found.append(Apply(bound(wanted, existing)))
    return tuple(found)


def _as_admitted(cluster: Json, existing: Json) -> Json:
    """The Ray cluster, suspended or not as Kueue has it."""
    return {**cluster, "spec": {**cluster["spec"], "suspend": bool(dig(existing, "spec", "suspend"))}}


def _deleted(child: Json) -> Delete | None:
    return None if dig(child, "metadata", "deletionTimestamp") else Delete(child)


def _adjust(observed: Observed, child: Json, workload: Workload) -> Patch | None:
    """What may change on a Job: whether it is suspended, unless Kueue says so, and how long it may take."""
    changes: Json = {}
    if not queue(observed.job) and bool(dig(child, "spec", "suspend")) != workload.suspend:
        changes["suspend"] = workload.suspend
    if dig(child, "spec", "activeDeadlineSeconds") != workload.deadline:
        changes["activeDeadlineSeconds"] = workload.deadline
    return Patch(child, {"spec": changes}) if changes else None


def _say(
    observed: Observed,
    state: State,
    now: datetime,
    repairs: Sequence[Write | None] = (),
    *,
    start: str | None = None,
    completion: str | None = None,
    again_after: float | None = None,
) -> Plan:
    """The plan that ends by recording the state, with an Event where people should know of the change."""
    recorded = record(observed.kind, observed.job, state, now, start=start, completion=completion)
    told = _announcements(observed.kind, observed.job, state, now) if recorded else ()
    return Plan(_present(*repairs, *told, recorded), again_after, state.reason)


def _announcements(kind: Kind[Any], job: Json, state: State, now: datetime) -> tuple[Emit, ...]:
    recorded = State.recorded(kind, job)
    before = recorded.reason if recorded else None
    if state.reason == before:
        return ()
    text = f"{state.reason}: {state.message}"
    if state.summary == "True":
        return (Emit(event(job, "Normal", kind.summary, text, now)),)
    if state.is_final:
        refusal = state.reason in (Reason.INVALID_SPEC, Reason.NAME_CONFLICT)
        return (Emit(event(job, "Warning", state.reason if refusal else "Failed", text, now)),)
    if state.reason == Reason.SUSPENDED:
        return (Emit(event(job, "Normal", "Suspended", state.message, now)),)
    if state.reason == Reason.RESTARTING:
        return (Emit(event(job, "Warning", "DriverRestarted", state.message, now)),)
    if before == Reason.SUSPENDED:
        return (Emit(event(job, "Normal", "Resumed", "It goes on", now)),)
    return ()


def _present(*writes: Write | None) -> tuple[Write, ...]:
    return tuple(write for write in writes if write is not None)
