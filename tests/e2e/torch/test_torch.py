"""What needs torch, in pods of its image: `make e2e-torch`. That has 5 GB, so `make e2e` goes without."""

import base64
import io
import json
import urllib.request
from collections.abc import Callable
from zipfile import ZipFile

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
    plain: Json = {**faces, "metadata": {"name": "plain"}}
    faces["spec"] = {**faces["spec"], "images": {**faces["spec"]["images"], "features": ["EfficientNetLite0"]}}
    job["spec"] |= {"models": ["Linear"], "budget": {"timeSeconds": 60, "maxModels": 4}, "registerAs": f"{namespace}-1"}
    perceptron: Json = {**job, "metadata": {"name": "perceptron"}}
    perceptron["spec"] = {**job["spec"], "datasetRef": {"name": "plain"}, "models": ["MLP"]}
    perceptron["spec"]["registerAs"] = f"{namespace}-2"
    afina.apply(config_map, faces, plain, job, perceptron, namespace=namespace)
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
    served = deployment("faces", f"/{namespace}/faces", f"models:/{namespace}-1@candidate")
    served["spec"]["resources"] = {"cpu": "500m", "memory": "1Gi"}
    config_map, _, _ = yaml.safe_load_all((MANIFESTS / "21-automljob-images.yaml").read_text())
    with ZipFile(io.BytesIO(base64.b64decode(config_map["binaryData"]["faces.zip"]))) as opened:
        faces = [opened.read(f"{number}.png") for number in range(10)]
    address, image = serve(afina, namespace, served)
    assert "afina-runtime-torch:" in image
    answers = [ask(address, face, "image/png") for face in faces]
    assert sum(answer["label"] == label for answer, label in zip(answers, ["True", "False"] * 5, strict=True)) >= 8


def test_a_perceptron_is_learned_and_served_without_torch(afina: Cluster, namespace: str) -> None:
    found = wait_ended(afina, namespace, "automljob", "perceptron")
    assert verdict(found) == ("True", "ModelReady"), found["status"]
    assert [line["model"] for line in found["status"]["leaderboard"] if line["model"] == "MLP" and "score" in line]
    served = deployment("perceptron", f"/{namespace}/perceptron", f"models:/{namespace}-2@candidate")
    address, image = serve(afina, namespace, served)
    assert "afina-runtime:" in image
    prediction = ask(address, json.dumps({"rows": [{"visibility_mean": 50.0}]}).encode(), "application/json")
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)


def serve(afina: Cluster, namespace: str, served: Json) -> tuple[str, str]:
    """The address of a ModelDeployment, when it is ready, and the image that its pod runs in."""
    afina.apply(GATEWAY, served, namespace=namespace)
    name = served["metadata"]["name"]

    def ready() -> Json:
        now = afina.get("modeldeployment", name, namespace) or {}
        return now if condition(now, "Ready").get("status") == "True" else {}

    address = wait_until(ready, f"{name} is served", _PATIENCE)["status"]["address"]
    (pod,) = afina.items("pods", namespace, f"afina.dev/modeldeployment={name}")
    return address, pod["spec"]["containers"][0]["image"]


def ask(address: str, body: bytes, kind: str) -> Json:
    """What a model says of one row."""
    request = urllib.request.Request(f"{address}/predict", body, {"Content-Type": kind})  # noqa: S310 - our own pod
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        (prediction,) = json.load(answer)["predictions"]
    return dict(prediction)
