"""Reads all that the plan of an object depends on. Live, from the API server: a stale cache makes second children."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from afina_operator.cluster import Cluster
from afina_operator.driver import pods
from afina_operator.driver.children import child_name
from afina_operator.driver.kind import Kind
from afina_operator.driver.status import is_over
from afina_operator.resources import (
    CONFIG_MAPS,
    EVENTS,
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
)

_CHILDREN = (SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, CONFIG_MAPS, VOLUME_CLAIMS, JOBS)


@dataclass(frozen=True)
class Observed:
    """An object and what exists of its children."""

    kind: Kind[Any]
    job: Json
    children: Mapping[Resource, Json] = field(default_factory=dict)
    """What has the name of a child, by kind: whose it is must be looked at."""
    pods: Sequence[Json] = ()
    """All pods with the object's label."""
    missing: str = ""
    """What the pod mounts and does not exist, in words; looked for while the pod waits."""
    warning: str = ""
    """The last warning about the pod, or about the Job where there is no pod."""
    lacks_kuberay: bool = False
    """Whether a Ray cluster is wanted and the API server does not know what that is."""
    required: Json | None = None
    """The object that must be Ready first, if it exists; looked for while there is no Job."""


async def observe(kind: Kind[Any], cluster: Cluster, job: Json) -> Observed:
    """What exists of the object's children."""
    if is_over(job):
        return Observed(kind, job)
    own, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    wanted = (*_CHILDREN, RAY_CLUSTERS) if kind.uses_ray(job) else _CHILDREN
    refs = [Ref(resource, namespace, child_name(kind.prefix, own, resource)) for resource in wanted]
    found = await cluster.get_all(refs)
    found_pods = await cluster.find(PODS, namespace, labels=f"{kind.label}={own}")
    children = {resource: child for resource, child in zip(wanted, found, strict=True) if child is not None}
    missing, warning = await _obstacles(kind, cluster, job, children.get(JOBS), found_pods)
    target = kind.requires.find(job) if kind.requires and JOBS not in children else None
    required = await cluster.get(target) if target else None
    lacks = RAY_CLUSTERS in wanted and RAY_CLUSTERS not in children and not await cluster.knows(RAY_CLUSTERS)
    return Observed(kind, job, children, tuple(found_pods), missing, warning, lacks, required)


async def _obstacles(
    kind: Kind[Any], cluster: Cluster, job: Json, child: Json | None, found: Sequence[Json]
) -> tuple[str, str]:
    """What may keep the driver from starting; read only while there is a Job without a running driver."""
    if child is None or dig(child, "spec", "suspend"):
        return "", ""
    own = pods.of_job(found, child)
    if own and (pods.is_running(own[-1]) or pods.ended(own[-1])):
        return "", ""
    subject = own[-1] if own else child
    return await _missing(kind, cluster, job), await _last_warning(cluster, subject)


async def _missing(kind: Kind[Any], cluster: Cluster, job: Json) -> str:
    for field_name, target in kind.mounted(job):
        if not await cluster.exists(target):
            return f"{field_name}: there is no {target.resource.kind} {target.name!r}: create it."
    return ""


async def _last_warning(cluster: Cluster, subject: Json) -> str:
    fields = f"involvedObject.uid={subject['metadata']['uid']},type=Warning"
    events = await cluster.find(EVENTS, subject["metadata"]["namespace"], fields=fields)
    latest = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")), default={})
    return str(latest.get("message", ""))
