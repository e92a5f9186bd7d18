"""A look into the cluster's MLflow, through a port of this machine."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import urllib.parse
from collections.abc import Iterator
from typing import Any

from kube import NAMESPACE, RELEASE, Cluster, KubeError

Json = dict[str, Any]

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


class Mlflow:
    """MLflow's REST API. Its methods raise KubeError where it refuses."""

    def __init__(self, port: int) -> None:
        self._port = port

    @property
    def uri(self) -> str:
        """For MLflow's own client."""
        return f"http://127.0.0.1:{self._port}"

    def run(self, run_id: str) -> Json:
        """One run."""
        return dict(self._call(f"runs/get?run_id={run_id}")["run"])

    def trials(self, experiment_id: str, run_id: str) -> list[Json]:
        """The runs nested in a run."""
        query = f"tags.`mlflow.parentRunId` = '{run_id}'"
        body = {"experiment_ids": [experiment_id], "filter": query, "max_results": 1000}
        return list(self._call("runs/search", body).get("runs", []))

    def artifacts(self, run_id: str, path: str = "") -> list[str]:
        """The paths of a run's files, those in folders too."""
        query = urllib.parse.urlencode({"run_id": run_id, "path": path})
        found: list[str] = []
        for entry in self._call(f"artifacts/list?{query}").get("files", []):
            found += self.artifacts(run_id, entry["path"]) if entry["is_dir"] else [entry["path"]]
        return found

    def file(self, run_id: str, path: str) -> bytes:
        """The content of one of a run's files."""
        return self._ask(f"/get-artifact?{urllib.parse.urlencode({'run_id': run_id, 'path': path})}")

    def versions(self, model: str) -> list[Json]:
        """The versions of a registered model."""
        query = urllib.parse.urlencode({"filter": f"name = '{model}'"})
        return list(self._call(f"model-versions/search?{query}").get("model_versions", []))

    def make_champion(self, model: str, version: str) -> None:
        """Move the alias `champion`."""
        self._call("registered-models/alias", {"name": model, "alias": "champion", "version": version})

    def copy_version(self, model: str, version: str, **tags: str) -> str:
        """Make another version of the same files, with other tags; its number."""
        query = urllib.parse.urlencode({"name": model, "version": version})
        known = self._call(f"model-versions/get?{query}")["model_version"]
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        same = {key: known[key] for key in ("name", "source", "run_id")}
        made = self._call("model-versions/create", {**same, "tags": listed})
        return str(made["model_version"]["version"])

    def _call(self, path: str, body: Json | None = None) -> Json:
        return dict(json.loads(self._ask(f"/api/2.0/mlflow/{path}", body)))

    def _ask(self, path: str, body: Json | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with contextlib.closing(connection):
            method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            found = answer.read()
        if answer.status != http.client.OK:
            raise KubeError(f"MLflow answers {answer.status} to {path}: {found.decode(errors='replace')}")
        return found


@contextlib.contextmanager
def forwarded_mlflow(cluster: Cluster) -> Iterator[Mlflow]:
    """MLflow for as long as the block lasts.

    Raises:
        KubeError: the port cannot be forwarded.
    """
    kubectl = [cluster.programs["kubectl"], f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}"]
    argv = [*kubectl, "port-forward", f"service/{RELEASE}-mlflow", ":5000"]
    with subprocess.Popen(argv, env=os.environ | {"NO_PROXY": "*"}, stdout=subprocess.PIPE, text=True) as process:
        try:
            first_line = process.stdout.readline() if process.stdout else ""
            if not (found := _FORWARDING.search(first_line)):
                raise KubeError("MLflow's port cannot be forwarded: kubectl's words are above")
            yield Mlflow(int(found[1]))
        finally:
            process.terminate()
