"""Kills the driver's and the operator's pods at random moments of one job, without giving them time to say goodbye."""

import json
import random
import threading
import time
from typing import Any

from e2e.jobs import ended_trials, job, pods, script, tuning_job
from kube import NAMESPACE, Cluster, wait_until

Json = dict[str, Any]

NAME = "under-fire"
TRIALS = 80
KILLS = 5
_PATIENCE_SECONDS = 420
"""After its fifth death the Job controller starts the driver again after 160 s, by rule."""

_READ_STUDY = """\
import json, sqlite3
study = sqlite3.connect("file:/study/study.db?mode=ro", uri=True)
values = "SELECT count(*) FROM trial_values v WHERE v.trial_id = t.trial_id"
rows = study.execute(f"SELECT number, state, ({values}) FROM trials t ORDER BY number")
print(json.dumps(list(rows)))
"""


class Chaos(threading.Thread):
    """One job and those who are after it. They work while other tests run."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        super().__init__(daemon=True)
        self.namespace = namespace
        self.seed = random.randrange(1 << 32)
        self.error: BaseException | None = None
        self.killed: list[str] = []
        self._cluster = cluster
        self._random = random.Random(self.seed)
        trial = script('sleep 0.4; echo "{\\"loss\\": $AFINA_PARAM_X}"')
        budget = {"maxTrials": TRIALS, "parallelTrials": 2, "maxFailedTrials": TRIALS}
        cluster.apply(tuning_job(NAME, trial, budget=budget), namespace=namespace)

    def run(self) -> None:
        """Kill by turns. While the Job controller waits before it starts the driver again, the operator is hit."""
        try:
            for _ in range(KILLS):
                self._wait_for_progress()
                self._kill(self._driver(), self.namespace)
                time.sleep(self._random.uniform(0, 5))
                self._kill(self._operator(), NAMESPACE)
        except BaseException as error:
            self.error = error

    def _wait_for_progress(self) -> None:
        before = self._ended()
        wait_until(lambda: self._ended() > before, "a trial after the driver's start", _PATIENCE_SECONDS)
        time.sleep(self._random.uniform(0, 2))

    def _ended(self) -> int:
        return ended_trials(job(self._cluster, self.namespace, NAME))

    def _driver(self) -> str:
        running = [pod for pod in pods(self._cluster, self.namespace, NAME) if pod["status"]["phase"] == "Running"]
        return str(running[0]["metadata"]["name"])

    def _operator(self) -> str:
        found = self._cluster.items("pods", NAMESPACE, "app.kubernetes.io/component=operator")
        return str(self._random.choice(found)["metadata"]["name"])

    def _kill(self, pod: str, namespace: str) -> None:
        self._cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force", namespace=namespace)
        self.killed.append(pod)


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
