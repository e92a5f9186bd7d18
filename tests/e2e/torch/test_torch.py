"""What needs torch, in pods of its image: `make e2e-torch`. That has 5 GB, so `make e2e` goes without."""

import json
import urllib.request
from collections.abc import Callable

import pytest
import yaml

from e2e import jobs
from e2e.datasets import verdict, wait_ended
from e2e.jobs import LOSS_IS_X, Json, condition, script, tuning_job
from e2e.rollouts import GATEWAY, deployment
from kube import MANIFESTS, Cluster, wait_until

pytestmark = pytest.mark.e2e

_PATIENCE = 120


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    namespace = new_namespace("torch")
    algorithm = {"name": "GP", "seed": 1}
    afina.apply(tuning_job("gp", script(LOSS_IS_X), algorithm=algorithm, budget={"maxTrials": 15}), namespace=namespace)
    config_map, faces, job = yaml.safe_load_all((MANIFESTS / "21-automljob-images.yaml").read_text())
    faces["spec"]["images"]["features"] = ["EfficientNetLite0"]
    job["spec"] |= {"models": ["Linear"], "budget": {"timeSeconds": 60, "maxModels": 4}}
    perceptron: Json = {**job, "metadata": {"name": "perceptron"}}
    perceptron["spec"] = {**job["spec"], "models": ["MLP"], "registerAs": namespace}
    afina.apply(config_map, faces, job, perceptron, namespace=namespace)
    return namespace


def test_a_gaussian_process_searches(afina: Cluster, namespace: str) -> None:
    found = jobs.wait_ended(afina, namespace, "gp")
    assert jobs.succeeded(found)["reason"] == "MaxTrialsReached", found["status"]
    # The best of 15 at random is below 0.02 in a quarter of all searches.
    assert found["status"]["best"][0]["values"]["loss"] < 0.02


def test_a_pretrained_network_knows_faces(afina: Cluster, namespace: str) -> None:
    data = wait_ended(afina, namespace, "dataset", "faces")
    assert verdict(data) == ("True", "Accepted"), data["status"]
    assert data["status"]["columns"] == 1282, "image, face and what the network sees"
    found = wait_ended(afina, namespace, "automljob", "faces")
    assert verdict(found) == ("True", "ModelReady"), found["status"]
    scores = {one["name"]: one["value"] for one in found["status"]["scores"]}
    assert scores["Accuracy"] > 0.9


def test_a_perceptron_is_learned_and_served_without_torch(afina: Cluster, namespace: str) -> None:
    found = wait_ended(afina, namespace, "automljob", "perceptron")
    assert verdict(found) == ("True", "ModelReady"), found["status"]
    assert [line["model"] for line in found["status"]["leaderboard"] if line["model"] == "MLP" and "score" in line]
    served = deployment("perceptron", f"/{namespace}", f"models:/{namespace}@candidate")
    afina.apply(GATEWAY, served, namespace=namespace)

    def ready() -> Json:
        now = afina.get("modeldeployment", "perceptron", namespace) or {}
        return now if condition(now, "Ready").get("status") == "True" else {}

    address = wait_until(ready, "a perceptron that is served", _PATIENCE)["status"]["address"]
    body = json.dumps({"rows": [{"embedding_0000": 1.0}]}).encode()
    request = urllib.request.Request(f"{address}/predict", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own pod
        (prediction,) = json.load(answer)["predictions"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    (pod,) = afina.items("pods", namespace, "afina.dev/modeldeployment=perceptron")
    assert "afina-runtime:" in pod["spec"]["containers"][0]["image"]
