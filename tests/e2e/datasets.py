"""Datasets for the tests, and how to look at them and at AutoMLJobs."""

import json
from typing import Any

from e2e.jobs import Json, condition
from kube import Cluster, KubeError, wait_until

_LONGEST_SECONDS = 420


def dataset(name: str, source: Json, format_: str = "CSV", **spec: Any) -> Json:
    """A Dataset whose pod asks for little, so that many fit on a small node."""
    spec = {"source": source, "format": format_, "resources": {"cpu": "50m"}, **spec}
    return {"apiVersion": "afina.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": name}, "spec": spec}


def wait_ended(cluster: Cluster, namespace: str, kind: str, name: str) -> Json:
    """The object once its summary is True or False. Fails, with what it says of itself, where neither comes."""
    summary = "Ready" if kind == "dataset" else "Succeeded"

    def look() -> Json | None:
        now = cluster.get(kind, name, namespace)
        assert now
        return now if condition(now, summary).get("status") in ("True", "False") else None

    try:
        found = wait_until(look, f"end of {kind} {name}", _LONGEST_SECONDS)
    except KubeError as error:
        now = cluster.get(kind, name, namespace) or {}
        raise AssertionError(f"{kind} {name} has not ended: {json.dumps(now.get('status'), indent=1)}") from error
    assert found
    return found


def verdict(obj: Json) -> tuple[str, str]:
    """Status and reason of the summary."""
    found = condition(obj, "Ready" if obj["kind"] == "Dataset" else "Succeeded")
    return found["status"], found["reason"]
