"""The operator, the model server and the chart mean the same ports and variables."""

from dataclasses import replace
from pathlib import Path

import yaml

from afina_api.modeldeployment import ModelDeploymentSpec
from afina_api.s3 import S3_KEYS
from afina_api.serving import LOG_KEYS
from afina_operator.modeldeployment import objects, pod
from afina_operator.modeldeployment.readings import parse
from afina_operator.modeldeployment.revisions import Revision
from afina_operator.registry import RegisteredVersion
from afina_operator.settings import Images, Settings
from afina_serving.metrics import Metrics
from afina_serving.settings import Cookie, Identity
from afina_serving.settings import Settings as ServerSettings

POLICIES = Path(__file__).parents[3] / "charts/afina/templates/networkpolicies.yaml"
SETTINGS = Settings(
    images=Images("reg/runtime:1", "reg/torch:1", "Always"), mlflow_tracking_uri="http://mlflow.afina:5000"
)
HOUSES = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "houses", "namespace": "lab", "uid": "u1"},
}
MODEL = RegisteredVersion("houses", "3", digest="sha256:1", source="s3://models/1")
REVISION = Revision("mldep-houses-1", MODEL, "Uvicorn", "image", cpu="1", memory="1Gi", gpu=0)


def a_spec(**changes: object) -> ModelDeploymentSpec:
    spec = {"model": {"uri": "models:/houses/3"}, "endpoint": {"gatewayRef": {"name": "afina"}, "path": "/houses"}}
    return ModelDeploymentSpec.model_validate({**spec, **changes})


def test_the_ports_of_the_service_are_those_that_the_server_listens_at() -> None:
    (container,) = objects.deployment(HOUSES, a_spec(), REVISION, 1, SETTINGS)["spec"]["template"]["spec"]["containers"]
    server = ServerSettings.from_environment({one["name"]: one["value"] for one in container["env"]})
    opened = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert opened == {"http": server.port, "grpc": server.grpc_port}
    offered = objects.service(HOUSES, REVISION)["spec"]["ports"]
    assert {port["targetPort"]: port["port"] for port in offered} == opened
    assert [port.get("appProtocol") for port in offered] == [None, "kubernetes.io/h2c"]


def test_the_server_reads_what_is_said_of_its_log() -> None:
    sink = {"s3": {"bucket": "logs", "prefix": "houses/", "secretRef": {"name": "keys"}}}
    wanted = a_spec(logging={"sampleRate": 0.1, "redact": ["name"], "sink": sink})
    (container,) = objects.deployment(HOUSES, wanted, REVISION, 1, SETTINGS)["spec"]["template"]["spec"]["containers"]
    server = ServerSettings.from_environment({one["name"]: one.get("value", "") for one in container["env"]})
    assert server.logging == wanted.logging
    secret = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one}
    assert set(secret) == set(LOG_KEYS)
    assert {one["name"] for one in secret.values()} == {"keys"}
    assert all(one["optional"] for one in secret.values())


def test_the_server_fetches_a_model_in_s3_by_the_keys_of_the_spec() -> None:
    s3 = {"endpointUrl": "http://minio.lab:9000", "secretRef": {"name": "keys"}}
    stored = replace(REVISION, model=replace(MODEL, s3=s3))
    (container,) = objects.deployment(HOUSES, a_spec(), stored, 1, SETTINGS)["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one for one in container["env"]}
    assert env["MLFLOW_S3_ENDPOINT_URL"]["value"] == "http://minio.lab:9000"
    assert env["AWS_DEFAULT_REGION"]["value"] == "us-east-1"
    secrets = {name: one["valueFrom"]["secretKeyRef"] for name, one in env.items() if "valueFrom" in one}
    assert secrets == {key: {"name": "keys", "key": key} for key in S3_KEYS}


def test_the_server_reads_what_is_said_of_its_cookie() -> None:
    wanted = a_spec(rollout={"affinity": {"cookie": "bucket"}})
    (container,) = objects.deployment(HOUSES, wanted, REVISION, 1, SETTINGS)["spec"]["template"]["spec"]["containers"]
    server = ServerSettings.from_environment({one["name"]: one["value"] for one in container["env"]})
    assert server.cookie == Cookie("bucket", "/houses")


def test_the_network_policy_lets_them_in() -> None:
    rules = POLICIES.read_text().split("# Who serves,")[1].partition("ingress:\n")[2].partition("  egress:")[0]
    ports = {port["port"] for rule in yaml.safe_load(rules) for port in rule["ports"]}
    assert ports == {pod.PORT, pod.GRPC_PORT}


def test_the_judge_finds_its_counters_in_what_the_server_writes() -> None:
    server = Metrics(Identity("houses", "3", "sha256:1", "mldep-houses-1"), dict)
    server.answered(200, 0.1)
    server.predicted({"yes": 2}, [0.25, 0.5])
    server.compared([0.3])
    found = parse(server.text().decode())
    assert found["afina_model_requests_total", "200"] == 1
    assert found["afina_model_predictions_total", "yes"] == 2
    assert (found["afina_model_uncertainty_sum", ""], found["afina_model_uncertainty_count", ""]) == (0.75, 2)
    for histogram in ("afina_model_request_seconds_bucket", "afina_model_shadow_difference_bucket"):
        assert found[histogram, "+Inf"] == 1
