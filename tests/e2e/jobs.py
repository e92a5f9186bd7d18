"""TuningJobs for the tests, and how to look at them."""

import json
from typing import Any

from kube import Cluster, KubeError, wait_until

Json = dict[str, Any]

CHILDREN = "jobs,pods,serviceaccounts,configmaps,persistentvolumeclaims,roles,rolebindings"
_LONGEST_SECONDS = 300


def tuning_job(name: str, trial: Json, **spec: Any) -> Json:
    """A TuningJob of three trials that minimises `loss` over `x` between 0 and 1."""
    resources = {"cpu": "50m", "memory": "64Mi"}
    return {
        "apiVersion": "afina.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": name},
        "spec": {
            "objectives": [{"metric": "loss", "goal": "Minimize"}],
            "parameters": [{"name": "x", "float": {"min": 0, "max": 1}}],
            "algorithm": {"name": "Random", "seed": 1},
            "budget": {"maxTrials": 3},
            "trial": {"resources": resources, **trial},
            **spec,
        },
    }


def script(text: str) -> Json:
    """A trial that runs a shell script."""
    return {"command": {"argv": ["sh", "-c", text]}}


LOSS_IS_X = 'echo "{\\"loss\\": $AFINA_PARAM_X}"'


def config_map(name: str, **files: str) -> Json:
    """A ConfigMap with files; `train_py` becomes train.py."""
    data = {file.replace("_", "."): content for file, content in files.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def job(cluster: Cluster, namespace: str, name: str) -> Json:
    """The TuningJob as it is now."""
    found = cluster.get("tuningjob", name, namespace)
    assert found, f"TuningJob {namespace}/{name} is gone"
    return found


def condition(obj: Json, kind: str) -> Json:
    """A condition; empty if there is none."""
    entries = obj.get("status", {}).get("conditions", [])
    return next((entry for entry in entries if entry["type"] == kind), {})


def succeeded(obj: Json) -> Json:
    """The summary condition."""
    return condition(obj, "Succeeded")


def counts(obj: Json) -> Json:
    """How many trials are in which state."""
    return dict(obj["status"].get("trials", {}))


def wait_ended(cluster: Cluster, namespace: str, name: str) -> Json:
    """The TuningJob once it has succeeded or failed. Fails, with what it says of itself, where neither comes."""

    def look() -> Json | None:
        now = job(cluster, namespace, name)
        return now if succeeded(now).get("status") in ("True", "False") else None

    try:
        found = wait_until(look, f"end of {name}", _LONGEST_SECONDS)
    except KubeError as error:
        now = job(cluster, namespace, name)
        raise AssertionError(f"{name} has not ended: {json.dumps(now.get('status'), indent=1)}") from error
    assert found
    return found


def ended_trials(obj: Json) -> int:
    """How many trials have ended. What counts in `total` besides runs, or will be run again."""
    found = obj.get("status", {}).get("trials", {})
    return sum(found.get(state, 0) for state in ("succeeded", "failed", "pruned"))


def wait_for_trials(cluster: Cluster, namespace: str, name: str, *, ended: int) -> None:
    """Wait until so many trials of a TuningJob have ended."""
    wait_until(
        lambda: ended_trials(job(cluster, namespace, name)) >= ended, f"{ended} trials of {name}", _LONGEST_SECONDS
    )


def wait_for_condition(cluster: Cluster, namespace: str, name: str, kind: str) -> Json:
    """The TuningJob once a condition of it is true."""
    wait = ["wait", f"tuningjob/{name}", f"--for=condition={kind}", f"--timeout={_LONGEST_SECONDS}s"]
    cluster.kubectl(*wait, namespace=namespace, timeout=_LONGEST_SECONDS + 10)
    return job(cluster, namespace, name)


def children(cluster: Cluster, namespace: str, name: str) -> list[str]:
    """Kind and name of everything that carries the TuningJob's label."""
    found = cluster.items(CHILDREN, namespace, f"afina.dev/tuningjob={name}")
    return sorted(f"{child['kind']}/{child['metadata']['name']}" for child in found)


def pods(cluster: Cluster, namespace: str, name: str) -> list[Json]:
    """The driver's pods, those that ended too."""
    return cluster.items("pods", namespace, f"afina.dev/tuningjob={name}")
