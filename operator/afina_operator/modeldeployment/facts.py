"""What the plan must know of the world, read out of what was observed."""

import json
from collections.abc import Mapping, Sequence

from afina_operator.driver.children import FAILED_FOR_GOOD
from afina_operator.modeldeployment.objects import REVISION_LABEL
from afina_operator.modeldeployment.revisions import Revision
from afina_operator.resources import Json, dig

_CRASHES = 3
"""A server that has ended so often by itself is not going to stay."""
_MAX_MESSAGE = 500


def ready_replicas(workload: Json | None) -> int:
    """Pods of a revision that answer inferences, also while its Deployment is scaled."""
    return int(dig(workload, "status", "readyReplicas") or 0)


def weights(route: Json | None) -> dict[str, int]:
    """Percent by revision, as a route has it."""
    backends = dig(route, "spec", "rules", 0, "backendRefs")
    entries = backends if isinstance(backends, list) else []
    return {str(entry["name"]): int(entry.get("weight", 1)) for entry in entries if isinstance(entry, dict)}


def is_accepted(route: Json | None) -> bool:
    """Whether a Gateway has taken the route: as it is now, or as it was before a change that it has not seen yet."""
    parents = dig(route, "status", "parents")
    conditions = [one for parent in (parents if isinstance(parents, list) else []) for one in _conditions(parent)]
    said = {dig(one, "type"): dig(one, "status") for one in conditions}
    return said.get("Accepted") == "True" and said.get("ResolvedRefs", "True") == "True"


def route_problem(route: Json | None) -> str:
    """Why no Gateway takes the route, in its words."""
    for parent in dig(route, "status", "parents") or ():
        for one in _conditions(parent):
            if dig(one, "status") == "False":
                return f"{dig(one, 'reason')}: {dig(one, 'message')}"
    return ""


def crash(pods: Sequence[Json], revision: str) -> str:
    """Why the servers of a revision do not stay; empty while they do."""
    for pod in pods:
        if dig(pod, "metadata", "labels", REVISION_LABEL) != revision:
            continue
        status = dig(pod, "status", "containerStatuses", 0)
        ended = dig(status, "state", "terminated") or dig(status, "lastState", "terminated")
        said = _last_words(dig(ended, "message"))
        final = dig(ended, "exitCode") == FAILED_FOR_GOOD
        if final or int(dig(status, "restartCount") or 0) >= _CRASHES:
            why = said.get("message") or f"{dig(ended, 'reason')}, exit code {dig(ended, 'exitCode')}"
            return f"the server of {pod['metadata']['name']} ended: {why}"[:_MAX_MESSAGE]
    return ""


def obstacle(pods: Sequence[Json], revision: str) -> str:
    """What a pod of a revision waits for: a node, an image; empty where nothing is known."""
    for pod in pods:
        if dig(pod, "metadata", "labels", REVISION_LABEL) != revision:
            continue
        waiting = dig(pod, "status", "containerStatuses", 0, "state", "waiting")
        if dig(waiting, "reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{dig(waiting, 'reason')}: {dig(waiting, 'message') or ''}"[:_MAX_MESSAGE]
        for one in dig(pod, "status", "conditions") or ():
            if dig(one, "type") == "PodScheduled" and dig(one, "status") == "False":
                return f"{dig(one, 'reason')}: {dig(one, 'message')}"[:_MAX_MESSAGE]
    return ""


def _conditions(parent: object) -> list[Json]:
    found = dig(parent, "conditions")
    return found if isinstance(found, list) else []


def _last_words(message: object) -> Json:
    """What the server wrote before it ended."""
    try:
        found = json.loads(str(message))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def recorded_revisions(records: Mapping[str, Json]) -> dict[str, Revision]:
    """The revisions whose records can be read."""
    found = {}
    for name, record in records.items():
        try:
            found[name] = Revision.recorded(record["data"])
        except (KeyError, TypeError):
            continue
    return found
