"""AutoMLJobs that are killed, starved, repeated, and whose champion was tampered with."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from e2e.conftest import MLFLOW_BUCKET
from e2e.datasets import dataset, verdict, wait_ended
from e2e.jobs import Json, config_map
from kube import Cluster, KubeError, wait_until
from support.s3 import S3Place
from tracking import Mlflow, forwarded_mlflow

pytestmark = pytest.mark.e2e

_PATIENCE_SECONDS = 300
_PHASES = ("Linear 0: Succeeded", "exporting", "writing to MLflow")
"""Lines of the driver's log: in the search, after it while candidates are fitted and exported, at the end."""
_MANY_CLASSES = 72


def automl_job(name: str, on: str, **spec: object) -> Json:
    spec = {"datasetRef": {"name": on}, "target": "y", "resources": {"cpu": "200m", "memory": "512Mi"}, **spec}
    return {"apiVersion": "afina.dev/v1alpha1", "kind": "AutoMLJob", "metadata": {"name": name}, "spec": spec}


def a_line_with_noise() -> str:
    rng = random.Random(0)
    rows = [(rng.uniform(0, 10), rng.uniform(0, 10)) for _ in range(2000)]
    return "a,b,y\n" + "\n".join(f"{a:.3f},{b:.3f},{a - 2 * b + rng.gauss(0, 1):.3f}" for a, b in rows)


def many_classes() -> str:
    """In a forest, each node of each tree keeps a number for each of them, and random splits make many nodes soon.

    It takes 1.5 GiB, of which the pod has 1.
    """
    rng = random.Random(0)
    rows = (f"{rng.uniform(0, 1):.3f},{rng.uniform(0, 1):.3f},c{rng.randrange(_MANY_CLASSES)}" for _ in range(12_000))
    return "a,b,y\n" + "\n".join(rows)


@pytest.fixture(scope="module")
def model_name() -> str:
    """Of its own, since registered models belong to no namespace."""
    return f"hardships-{random.randrange(1 << 32):08x}"


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str], model_name: str) -> str:
    namespace = new_namespace("hardships")
    files = config_map("files", line_csv=a_line_with_noise(), classes_csv=many_classes())
    twins = {"models": ["Linear", "XGBoost"], "budget": {"timeSeconds": 600, "maxModels": 4}}
    fired = {"models": ["Linear", "LightGBM", "ExtraTrees"], "budget": {"timeSeconds": 600, "maxModels": 4}}
    starved = {"models": ["Linear", "ExtraTrees"], "budget": {"timeSeconds": 600, "maxModels": 2}}
    afina.apply(
        files,
        *(dataset(name, {"configMap": {"name": "files", "key": f"{name}.csv"}}) for name in ("line", "classes")),
        automl_job("fired", "line", registerAs=model_name, promotion={}, **fired),
        automl_job("twin-a", "line", **twins),
        automl_job("twin-b", "line", **twins),
        automl_job("starved", "classes", ensemble="None", **starved),
        namespace=namespace,
    )
    return namespace


@pytest.fixture(scope="module")
def mlflow(afina: Cluster) -> Iterator[Mlflow]:
    with forwarded_mlflow(afina) as found:
        yield found


class Killer(threading.Thread):
    """Kills the driver of `fired` when its log says a line, then the next one's at the next line."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        super().__init__(daemon=True)
        self.killed: dict[str, str] = {}
        self.error: KubeError | None = None
        self._cluster, self._namespace = cluster, namespace

    def run(self) -> None:
        try:
            for phase in _PHASES:
                pod = wait_until(partial(self._says, phase), f"the line {phase!r}", _PATIENCE_SECONDS)
                self._cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force", namespace=self._namespace)
                self.killed[phase] = pod
        except KubeError as error:
            self.error = error

    def _says(self, phase: str) -> str:
        """The driver's pod, if it is a new one and its log has the line."""
        for pod in self._cluster.items("pods", self._namespace, "afina.dev/automljob=fired"):
            name = str(pod["metadata"]["name"])
            if name not in self.killed.values() and pod["status"]["phase"] == "Running":
                time.sleep(0.1)
                return name if phase in self._cluster.kubectl("logs", name, namespace=self._namespace) else ""
        return ""


@pytest.fixture(scope="module", autouse=True)
def killer(afina: Cluster, namespace: str) -> Killer:
    found = Killer(afina, namespace)
    found.start()
    return found


def test_a_model_that_starves_is_a_line_in_the_leaderboard(afina: Cluster, namespace: str) -> None:
    found = wait_ended(afina, namespace, "automljob", "starved")
    assert verdict(found) == ("True", "ModelReady"), found["status"]
    board = {line["model"]: line for line in found["status"]["leaderboard"]}
    assert board["Linear"]["score"] > 0
    assert "raise resources.memory" in board["ExtraTrees"]["message"]
    assert "score" not in board["ExtraTrees"]


def test_two_identical_jobs_give_equal_metrics(afina: Cluster, namespace: str, mlflow: Mlflow) -> None:
    one, two = (_manifest(wait_ended(afina, namespace, "automljob", name), mlflow) for name in ("twin-a", "twin-b"))
    assert one["job"] != two["job"]
    assert len(one["models"]) == 4
    for part in ("models", "scores", "folds", "chosen", "model", "dataset", "packages", "image"):
        assert one[part] == two[part], part


def test_intervals_cover_what_they_promise(afina: Cluster, namespace: str, mlflow: Mlflow) -> None:
    coverage = _manifest(wait_ended(afina, namespace, "automljob", "twin-a"), mlflow)["scores"]["Coverage"]
    assert 0.93 <= coverage <= 0.97


def test_killed_before_in_and_after_the_ensemble(
    afina: Cluster, namespace: str, killer: Killer, mlflow: Mlflow, model_name: str
) -> None:
    found = wait_ended(afina, namespace, "automljob", "fired")
    killer.join(_PATIENCE_SECONDS)
    assert killer.error is None
    assert len(set(killer.killed.values())) == len(_PHASES)
    assert verdict(found) == ("True", "ModelReady"), found["status"]
    assert len(_manifest(found, mlflow)["models"]) == 4
    assert [one["version"] for one in mlflow.versions(model_name)] == ["1"]
    assert sorted(found["status"]["model"]["aliases"]) == ["candidate", "champion"]


def test_a_champion_with_a_flipped_byte_is_not_trusted(
    afina: Cluster, namespace: str, killer: Killer, mlflow: Mlflow, model_name: str, s3: S3Place
) -> None:
    killer.join(_PATIENCE_SECONDS)
    first = wait_ended(afina, namespace, "automljob", "fired")
    _flip_a_byte(s3, first["status"]["tracking"]["runId"])
    spec = {"models": ["Linear"], "budget": {"timeSeconds": 600, "maxModels": 1}, "registerAs": model_name}
    afina.apply(automl_job("next", "line", promotion={}, **spec), namespace=namespace)
    found = wait_ended(afina, namespace, "automljob", "next")
    assert found["status"]["model"]["aliases"] == ["candidate"]
    (tags,) = (one["tags"] for one in mlflow.versions(model_name) if one["version"] == "2")
    why = next(tag["value"] for tag in tags if tag["key"] == "afina.promotion")
    assert "version 1, cannot be compared" in why
    assert "was changed: it should be sha256:" in why


def _flip_a_byte(server: S3Place, run_id: str) -> None:
    (file,) = (server.buckets / MLFLOW_BUCKET).rglob(f"{run_id}/artifacts/model/afina/model.json")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _manifest(job: Json, mlflow: Mlflow) -> Json:
    return dict(json.loads(mlflow.file(job["status"]["tracking"]["runId"], "manifest.json")))
