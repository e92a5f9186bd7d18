"""Kills the driver and the operator at random moments of one job, and at last the job's Job.

By turns a pod is deleted without a period of grace, which leaves its process two seconds, and its process is killed by
the kernel, which leaves it none: the pod's memory is filled by smaller processes until the largest must go.
"""

import contextlib
import json
import random
import time
from collections.abc import Callable
from typing import Any

from e2e.jobs import ended_trials, job, pods, script, tuning_job
from kube import NAMESPACE, Cluster, KubeError, wait_until

Json = dict[str, Any]

NAME = "under-fire"
TRIALS = 80
KILLS = 5
_PATIENCE_SECONDS = 240

_FILL_MEMORY = "import os, time; [os.fork() for _ in range(4)]; filler = b'x' * ({} << 20); time.sleep(30)"
_DRIVER_MIB, _OPERATOR_MIB = 48, 24
"""Of one of the 16 fillers: less than the victim has, and together more than the pod may have."""

_READ_STUDY = """\
import json, sqlite3
study = sqlite3.connect("file:/study/study.db?mode=ro", uri=True)
values = "SELECT count(*) FROM trial_values v WHERE v.trial_id = t.trial_id"
rows = study.execute(f"SELECT number, state, ({values}) FROM trials t ORDER BY number")
print(json.dumps(list(rows)))
"""


class Chaos:
    """One job and those who are after it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.namespace = namespace
        self.seed = random.randrange(1 << 32)
        self.killed: list[str] = []
        self._cluster = cluster
        self._random = random.Random(self.seed)
        trial = script('sleep 0.4; echo "{\\"loss\\": $AFINA_PARAM_X}"')
        budget = {"maxTrials": TRIALS, "parallelTrials": 2, "maxFailedTrials": TRIALS}
        cluster.apply(tuning_job(NAME, trial, budget=budget), namespace=namespace)

    def run(self) -> None:
        """Kill by turns. While the Job controller waits before it starts the driver again, the operator is hit.

        It waits for 10 s after the first death, and twice as long after each. After the last the Job itself is deleted:
        the one that the operator makes in its place waits for nothing.
        """
        for turn in range(KILLS):
            self._wait_for_progress()
            self._kill(turn, self._driver, self.namespace, _DRIVER_MIB)
            time.sleep(self._random.uniform(0, 5))
            self._kill(turn, self._operator, NAMESPACE, _OPERATOR_MIB)
        self._cluster.kubectl("delete", "job", f"tj-{NAME}", namespace=self.namespace)

    def _wait_for_progress(self) -> None:
        before = self._ended()
        wait_until(lambda: self._ended() > before, "a trial after the driver's start", _PATIENCE_SECONDS)
        time.sleep(self._random.uniform(0, 2))

    def _ended(self) -> int:
        return ended_trials(job(self._cluster, self.namespace, NAME))

    def _driver(self) -> list[Json]:
        return pods(self._cluster, self.namespace, NAME)

    def _operator(self) -> list[Json]:
        return self._cluster.items("pods", NAMESPACE, "app.kubernetes.io/component=operator")

    def _kill(self, turn: int, find: Callable[[], list[Json]], namespace: str, mebibytes: int) -> None:
        pod = wait_until(lambda: _running(find()), f"a running pod in {namespace}", _PATIENCE_SECONDS)
        self.killed.append(pod)
        if turn % 2:
            self._cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force", namespace=namespace)
            return
        fill = ["python3", "-c", _FILL_MEMORY.format(mebibytes)]
        with contextlib.suppress(KubeError):  # its connection dies too
            self._cluster.kubectl("exec", pod, "--", *fill, namespace=namespace)
        wait_until(lambda: pod in map(_name, filter(_was_killed, find())), f"{pod} out of memory", _PATIENCE_SECONDS)


def _name(pod: Json) -> str:
    return str(pod["metadata"]["name"])


def _running(found: list[Json]) -> str:
    """The name of a pod that runs; empty if none does."""
    return next((_name(pod) for pod in found if "running" in _container(pod).get("state", {})), "")


def _was_killed(pod: Json) -> bool:
    states = [_container(pod).get(when, {}).get("terminated", {}) for when in ("state", "lastState")]
    return any(state.get("reason") == "OOMKilled" for state in states)


def _container(pod: Json) -> Json:
    """The status of its only container."""
    return next(iter(pod["status"].get("containerStatuses", [])), {})


def read_study(cluster: Cluster, namespace: str) -> list[tuple[int, str, int]]:
    """Number, state and count of values of each trial, from the file on the job's volume."""
    name = "read-study"
    container = {
        "name": "main",
        "image": cluster.images["runtime"],
        "command": ["python3", "-c", _READ_STUDY],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "study", "mountPath": "/study"}],
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "study", "persistentVolumeClaim": {"claimName": f"tj-{NAME}"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    cluster.apply(pod, namespace=namespace)
    cluster.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", namespace=namespace)
    return [tuple(row) for row in json.loads(cluster.kubectl("logs", name, namespace=namespace))]
