"""The children of a ModelDeployment.

A record, a Deployment and a Service of each revision; one HTTPRoute; a HorizontalPodAutoscaler where it is wanted.
"""

import re
from collections.abc import Iterable, Mapping

from afina_api.modeldeployment import Autoscaling, ModelDeploymentSpec
from afina_operator.modeldeployment.pod import GRPC_PORT, PORT, pod_spec
from afina_operator.modeldeployment.revisions import PREFIX, Revision
from afina_operator.ownership import reference
from afina_operator.podspec import MANAGED
from afina_operator.resources import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    SERVICES,
    Json,
    Resource,
)
from afina_operator.settings import Settings

LABEL = "afina.dev/modeldeployment"
"""Label of the children whose value is the object's name."""
REVISION_LABEL = "afina.dev/revision"

_HTTP: Json = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}


def own_name(obj: Json) -> str:
    """Name of what there is one of: the HTTPRoute and the HorizontalPodAutoscaler."""
    return f"{PREFIX}-{obj['metadata']['name']}"


def shadow_name(obj: Json) -> str:
    """Name of the Service that leads to a canary while it is shown copies of requests."""
    return f"{own_name(obj)}-shadow"


def record(obj: Json, revision: Revision, number: int) -> Json:
    """The ControllerRevision that keeps what the revision is."""
    return _child(obj, CONTROLLER_REVISIONS, revision.name, {"data": revision.record(), "revision": number}, revision)


def deployment(obj: Json, wanted: ModelDeploymentSpec, revision: Revision, replicas: int, settings: Settings) -> Json:
    """The Deployment that serves the revision."""
    labels = _labels(obj, revision)
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": _selector(obj, revision)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        # The operator has a deadline of its own.
        "progressDeadlineSeconds": 86_400,
        "revisionHistoryLimit": 0,
        "template": {"metadata": {"labels": labels}, "spec": pod_spec(shadow_name(obj), wanted, revision, settings)},
    }
    return _child(obj, DEPLOYMENTS, revision.name, {"spec": spec}, revision)


def service(obj: Json, revision: Revision) -> Json:
    """The Service that a route sends the revision's share to."""
    spec = {
        "selector": _selector(obj, revision),
        "ports": [
            _HTTP,
            # The protocol's name tells gateways that it is HTTP/2 without TLS.
            {
                "name": "grpc",
                "port": GRPC_PORT,
                "targetPort": "grpc",
                "protocol": "TCP",
                "appProtocol": "kubernetes.io/h2c",
            },
        ],
    }
    return _child(obj, SERVICES, revision.name, {"spec": spec}, revision)


def shadow_service(obj: Json, canary: Revision) -> Json:
    """The Service at which servers look whether there is a canary that wants copies of requests."""
    spec = {"selector": _selector(obj, canary), "ports": [_HTTP]}
    return _child(obj, SERVICES, shadow_name(obj), {"spec": spec})


def route(obj: Json, wanted: ModelDeploymentSpec, weights: Mapping[str, int], canary: str | None) -> Json:
    """The HTTPRoute that splits the requests.

    Args:
        obj: the ModelDeployment.
        wanted: its spec.
        weights: percent by revision; they sum to 100.
        canary: the one among them that testers reach by a header.
    """
    if sum(weights.values()) != 100:
        raise ValueError(f"the weights sum to {sum(weights.values())}")
    endpoint, header = wanted.endpoint, wanted.rollout.header_match
    rules = [_rule(endpoint.path, weights)]
    if header and canary is not None and canary in weights:
        tests = _rule(endpoint.path, {canary: 100})
        tests["matches"][0]["headers"] = [{"type": "Exact", "name": header.name, "value": header.value}]
        rules.append(tests)
    rules += _sticky_rules(wanted, weights)
    spec: Json = {"parentRefs": [{"name": endpoint.gateway_ref.name}], "rules": rules}
    if endpoint.hostname:
        spec["hostnames"] = [endpoint.hostname]
    return _child(obj, HTTP_ROUTES, own_name(obj), {"spec": spec})


def _sticky_rules(wanted: ModelDeploymentSpec, weights: Mapping[str, int]) -> list[Json]:
    """Rules for clients that have a bucket, while there is more than one revision to go to. Others are split by weight.

    Of rules with as many headers the first one counts (Gateway API, HTTPRouteRule.matches).
    """
    affinity, shares = wanted.rollout.affinity, [(name, share) for name, share in weights.items() if share]
    if affinity is None or len(shares) < 2:
        return []
    rules, first = [], 0
    # The canary, which comes last, has the first buckets: so they only grow with its weight.
    for name, share in reversed(shares):
        rule, buckets = _rule(wanted.endpoint.path, {name: 100}), _numbers(first, first + share)
        header, pattern = (
            ("Cookie", f"^(.*; ?)?{re.escape(affinity.cookie)}=({buckets})(;.*)?$")
            if affinity.cookie
            else (affinity.header, f"^({buckets})$")
        )
        rule["matches"][0]["headers"] = [{"type": "RegularExpression", "name": header, "value": pattern}]
        rules.append(rule)
        first += share
    return rules


def _numbers(first: int, end: int) -> str:
    """A regular expression of the numbers of two digits from the first to before the end."""
    tens = {ten: [one for one in range(10) if first <= 10 * ten + one < end] for ten in range(10)}
    return "|".join(f"{ten}[{ones[0]}-{ones[-1]}]" for ten, ones in tens.items() if ones)


def autoscaler(obj: Json, wanted: Autoscaling) -> Json:
    """The HorizontalPodAutoscaler that sets the object's replicas."""
    target = {"type": "Utilization", "averageUtilization": wanted.target_cpu_utilization_percentage}
    spec = {
        "scaleTargetRef": {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]},
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _child(obj, AUTOSCALERS, own_name(obj), {"spec": spec})


def selector(obj: Json, revisions: Iterable[str]) -> str:
    """The label selector of the pods of those revisions; of all, if there are none."""
    own, named = f"{LABEL}={obj['metadata']['name']}", ",".join(sorted(revisions))
    return f"{own},{REVISION_LABEL} in ({named})" if named else own


def _rule(path: str, weights: Mapping[str, int]) -> Json:
    """A rule whose backends share what comes under the path, which they do not get to see."""
    found: Json = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": [
            {"group": "", "kind": SERVICES.kind, "name": name, "port": PORT, "weight": weight}
            for name, weight in weights.items()
        ],
    }
    if path != "/":
        prefix = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        found["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": prefix}}]
    return found


def _selector(obj: Json, revision: Revision) -> dict[str, str]:
    return {LABEL: obj["metadata"]["name"], REVISION_LABEL: revision.name}


def _labels(obj: Json, revision: Revision | None) -> dict[str, str]:
    own = {LABEL: obj["metadata"]["name"]} if revision is None else _selector(obj, revision)
    return {**MANAGED, "app.kubernetes.io/component": "serving", **own}


def _child(obj: Json, resource: Resource, name: str, content: Json, revision: Revision | None = None) -> Json:
    metadata = {
        "name": name,
        "namespace": obj["metadata"]["namespace"],
        "labels": _labels(obj, revision),
        "ownerReferences": [reference(obj)],
    }
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
