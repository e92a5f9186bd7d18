"""ModelDeployments for the tests, the registry behind them, and how to look at their routes."""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from afina_api.automljob import DIGEST_TAG
from e2e.jobs import Json, condition
from kube import Cluster, wait_until
from support.canaries import GOOD, Canary
from tracking import forwarded_mlflow

GATEWAY: Json = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "afina"},
    "spec": {"gatewayClassName": "traefik", "listeners": [{"name": "http", "protocol": "HTTP", "port": 8000}]},
}
ALIAS = "champion"
STEPS = [{"setWeight": 20}, {"analysis": {"minSamples": 50}}, {"setWeight": 60}, {"pauseSeconds": 2}]
JUDGE = {"maxErrorShareIncrease": 0.03, "maxLatencyRatio": 4, "maxPredictionDrift": 0.2}
PER_SECOND = 30.0
"""Requests of a load, so that a step takes seconds."""
PATIENCE_SECONDS = 300


def deployment(name: str, path: str, uri: str, **rollout: object) -> Json:
    """A ModelDeployment with one small replica."""
    return {
        "apiVersion": "afina.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {
            "model": {"uri": uri},
            "resources": {"cpu": "50m", "memory": "256Mi"},
            "rollout": rollout,
            "endpoint": {"gatewayRef": {"name": "afina"}, "path": path},
        },
    }


@dataclass
class Models:
    """A registered model, whose versions do as they are told."""

    client: MlflowClient
    name: str

    def register(self, canary: Canary, *, wrong_digest: bool = False, champion: bool = True) -> str:
        """Make it a version, and the champion; the version's number."""
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            self.client.create_registered_model(self.name)
        run = self.client.create_run("0")
        with tempfile.TemporaryDirectory() as folder:
            digest = canary.export(Path(folder))
            self.client.log_artifacts(run.info.run_id, f"{folder}/model", "model")
        if wrong_digest:
            digest = "sha256:" + "0" * 64
        source = f"{run.info.artifact_uri}/model"
        version = self.client.create_model_version(self.name, source, run.info.run_id, tags={DIGEST_TAG: digest})
        if champion:
            self.make_champion(str(version.version))
        return str(version.version)

    def make_champion(self, version: str) -> None:
        """Move the alias."""
        self.client.set_registered_model_alias(self.name, ALIAS, version)


@dataclass
class Routes:
    """Every version of a route that a watch has shown: when, and percent by revision."""

    versions: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    """The time is time.monotonic()."""

    @property
    def seen(self) -> list[dict[str, int]]:
        """The shares alone, each once in a row."""
        return [shares for shares, _ in itertools.groupby(shares for _, shares in self.versions)]

    def read(self, lines: Iterable[str]) -> None:
        """Record what a watch writes, until it ends."""
        for line in lines:
            shares = {entry["name"]: entry["weight"] for entry in json.loads(line)}
            self.versions.append((time.monotonic(), shares))


@contextmanager
def recorded_routes(cluster: Cluster, namespace: str, name: str) -> Iterator[Routes]:
    """Watch the route of a ModelDeployment for as long as the block lasts."""
    routes = Routes()
    kubectl = [cluster.programs["kubectl"], f"--kubeconfig={cluster.kubeconfig}", f"--namespace={namespace}"]
    shape = "jsonpath={.spec.rules[0].backendRefs}{'\\n'}"
    argv = [*kubectl, "get", "httproute", f"mldep-{name}", "--watch", "-o", shape]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=routes.read, args=(process.stdout,))
        reader.start()
        try:
            yield routes
        finally:
            process.terminate()
            reader.join()


@dataclass(frozen=True)
class Served:
    """A ModelDeployment that serves version 1."""

    cluster: Cluster
    namespace: str
    name: str
    models: Models

    def now(self) -> Json:
        found = self.cluster.get("modeldeployment", self.name, self.namespace)
        assert found
        return found

    def wait(self, look: Callable[[Json], bool], what: str) -> Json:
        def seen() -> Json:
            now = self.now()
            return now if look(now) else {}

        return wait_until(seen, what, PATIENCE_SECONDS, every=0.5)

    @property
    def url(self) -> str:
        return str(self.now()["status"]["address"])

    def patch(self, spec: Json) -> None:
        change = json.dumps({"spec": spec})
        self.cluster.kubectl("patch", "mldep", self.name, "--type=merge", "-p", change, namespace=self.namespace)

    def afina(self, verb: str, *words: str) -> str:
        """What the command line prints."""
        afina, kubectl = Path(sys.executable).with_name("afina"), Path(self.cluster.programs["kubectl"])
        path = f"{kubectl.parent}:{os.environ['PATH']}"
        environment = {**os.environ, "KUBECONFIG": self.cluster.kubeconfig, "PATH": path}
        argv = [str(afina), verb, self.name, "--namespace", self.namespace, *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout

    def wait_stable(self, version: str) -> Json:
        def look(now: Json) -> bool:
            status = now.get("status", {})
            stable = status.get("stable", {}).get("modelVersion") == version and "canary" not in status
            return stable and condition(now, "Ready").get("status") == "True"

        return self.wait(look, f"version {version} is stable")

    def wait_rolled_back(self, reason: str) -> Json:
        return self.wait(lambda now: condition(now, "RolledBack").get("reason") == reason, f"rolled back for {reason}")


@contextmanager
def a_deployment(cluster: Cluster, namespace: str) -> Iterator[Served]:
    """A ModelDeployment that serves version 1 of a good model."""
    with forwarded_mlflow(cluster) as mlflow:
        models = Models(MlflowClient(mlflow.uri), namespace)
        models.register(GOOD)
        uri = f"models:/{namespace}@{ALIAS}"
        rollout = {"steps": STEPS, "judge": JUDGE, "progressDeadlineSeconds": 120}
        cluster.apply(GATEWAY, deployment("sums", f"/{namespace}", uri, **rollout), namespace=namespace)
        found = Served(cluster, namespace, "sums", models)
        found.wait_stable("1")
        yield found
        cluster.kubectl("delete", "mldep", "--all", namespace=namespace)  # others need the processors
