"""Objects as the API server shows them, for what explains them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from afina_jobs.explain.facts import KINDS, Facts

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
Json = dict[str, Any]


def at(minutes_ago: float) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def an_object(
    reason: str = "Pending",
    message: str = "",
    status: str = "Unknown",
    kind: str = "TuningJob",
    conditions: Sequence[Json] = (),
    labels: Json | None = None,
    seen: int | None = 1,
    spec: Json | None = None,
    **more: Any,
) -> Json:
    """An object that was made 10 minutes ago, as the API server has it."""
    summary = {"type": KINDS[kind].summary, "status": status, "reason": reason, "message": message}
    return {
        "kind": kind,
        "metadata": {
            "name": "it",
            "uid": "uid-it",
            "generation": 1,
            "creationTimestamp": at(10),
            "labels": labels or {},
        },
        "spec": {"objectives": [{"metric": "rmse"}], "budget": {"maxFailedTrials": 3, "parallelTrials": 4}}
        | (spec or {}),
        "status": {"conditions": [summary, *conditions]} | ({"observedGeneration": seen} if seen else {}) | more,
    }


def a_pod(
    name: str = "tj-it-a",
    phase: str = "Pending",
    state: Json | None = None,
    last: Json | None = None,
    scheduled: str = "",
    created: str | None = None,
    labels: Json | None = None,
    **status: Any,
) -> Json:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": scheduled}]
    container = {"name": "driver", "image": "lab/train:7", "state": state or {}, "lastState": last or {}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": created or at(9),
            "labels": labels or {},
        },
        "spec": {
            "containers": [{"name": "driver", "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}}}],
            "nodeSelector": {"nvidia.com/gpu.product": "H100"},
        },
        "status": {
            "phase": phase,
            "conditions": [*(conditions if scheduled else []), *status.pop("conditions", [])],
            "containerStatuses": [container],
            **status,
        },
    }


def waits(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, reason: str = "Error") -> Json:
    return {"terminated": {"exitCode": code, "reason": reason}}


RUNS: Json = {"running": {"startedAt": at(8)}}


def a_child(kind: str, **content: Any) -> Json:
    return {"kind": kind, "metadata": {"name": "tj-it", "uid": f"uid-{kind}"}, **content}


def an_event(about: Json, reason: str, message: str, minutes_ago: float = 1) -> Json:
    involved = {"kind": about["kind"], "name": about["metadata"]["name"], "uid": about["metadata"]["uid"]}
    return {"reason": reason, "message": message, "lastTimestamp": at(minutes_ago), "involvedObject": involved}


def facts(obj: Json, pods: Sequence[Json] = (), **others: Any) -> Facts:
    return Facts(obj, NOW, pods=pods, **others)


def serving(ready: str = "Serving", **reasons: str) -> Facts:
    """A ModelDeployment, Ready if it is Serving; of the other conditions the reasons that are given."""
    told = {"Progressing": "Stable", "Inconclusive": "Decided", "RolledBack": "NothingRejected"} | reasons
    true = ("InStep", "CanaryStarting", "TooFewSamples", "JudgeFailed", "Aborted")
    others = [
        {"type": kind, "reason": reason, "status": "True" if reason in true else "False", "message": ""}
        for kind, reason in told.items()
    ]
    status = "True" if ready == "Serving" else "False"
    return facts(an_object(ready, status=status, kind="ModelDeployment", conditions=others))
