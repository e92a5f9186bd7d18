"""ModelDeployments for the tests, the registry behind them, and how to look at their routes."""

import itertools
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from afina_api.automljob import DIGEST_TAG
from e2e.jobs import Json
from kube import Cluster
from support.canaries import Canary

GATEWAY: Json = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "afina"},
    "spec": {"gatewayClassName": "traefik", "listeners": [{"name": "http", "protocol": "HTTP", "port": 8000}]},
}
ALIAS = "champion"


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
