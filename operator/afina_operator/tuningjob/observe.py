"""Reads all that the plan of a TuningJob depends on. Live, from the API server: a stale cache makes second children."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from afina_api.base import LocalReference
from afina_operator.cluster import Cluster
from afina_operator.resources import (
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    VOLUME_CLAIMS,
    Json,
    Ref,
    Resource,
    dig,
)
from afina_operator.tuningjob import pods
from afina_operator.tuningjob.objects import NAME_LABEL, child_name
from afina_operator.tuningjob.status import is_over

_CHILDREN = (SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, CONFIG_MAPS, VOLUME_CLAIMS, JOBS)


@dataclass(frozen=True)
class Observed:
    """A TuningJob and what exists of its children."""

    job: Json
    children: Mapping[Resource, Json] = field(default_factory=dict)
    """What has the name of a child, by kind: whose it is must be looked at."""
    pods: Sequence[Json] = ()
    """All pods with the TuningJob's label."""
    missing_source: str = ""
    """The ConfigMap with the trial's files, if the pod waits and it does not exist."""
    warning: str = ""
    """The last warning about the pod, or about the Job where there is no pod."""


async def observe(cluster: Cluster, job: Json) -> Observed:
    """What exists of the TuningJob's children."""
    if is_over(job):
        return Observed(job)
    own, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
    name = child_name(own)
    found = await cluster.get_all([Ref(resource, namespace, name) for resource in _CHILDREN])
    found_pods = await cluster.find(PODS, namespace, labels=f"{NAME_LABEL}={own}")
    children = {resource: child for resource, child in zip(_CHILDREN, found, strict=True) if child is not None}
    missing, warning = await _obstacles(cluster, job, children.get(JOBS), found_pods)
    return Observed(job, children, tuple(found_pods), missing, warning)


async def _obstacles(cluster: Cluster, job: Json, child: Json | None, found: Sequence[Json]) -> tuple[str, str]:
    """What may keep the driver from starting; read only while there is a Job without a running driver."""
    if child is None or dig(child, "spec", "suspend"):
        return "", ""
    own = pods.of_job(found, child)
    if own and (pods.is_running(own[-1]) or pods.ended(own[-1])):
        return "", ""
    subject = own[-1] if own else child
    return await _missing_source(cluster, job), await _last_warning(cluster, subject)


async def _missing_source(cluster: Cluster, job: Json) -> str:
    try:
        # The spec may have gone around the schema, and this name becomes a part of a URL.
        reference = LocalReference.model_validate(dig(job, "spec", "trial", "source", "configMapRef"))
    except ValidationError:
        return ""
    there = await cluster.exists(Ref(CONFIG_MAPS, job["metadata"]["namespace"], reference.name))
    return "" if there else reference.name


async def _last_warning(cluster: Cluster, subject: Json) -> str:
    fields = f"involvedObject.uid={subject['metadata']['uid']},type=Warning"
    events = await cluster.find(EVENTS, subject["metadata"]["namespace"], fields=fields)
    latest = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")), default={})
    return str(latest.get("message", ""))
