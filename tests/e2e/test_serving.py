"""Processors, wrong requests, the prediction log and runtimes of a ModelDeployment on the real cluster."""

import gzip
import json
import socket
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest

from e2e.jobs import Json, condition
from e2e.rollouts import PATIENCE_SECONDS, PER_SECOND, Served, a_deployment, deployment
from kube import Cluster, wait_until
from support.canaries import BODIES
from support.s3 import KEYS, S3Place
from traffic import Load

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def served(afina: Cluster, new_namespace: Callable[[str], str]) -> Iterator[Served]:
    with a_deployment(afina, new_namespace("serving")) as found:
        yield found


def test_a_gpu_is_asked_for_and_one_too_many_is_told(served: Served) -> None:
    uri = str(served.now()["spec"]["model"]["uri"])
    for name, count in (("gpu", 1), ("gpus", 64)):
        wanted = deployment(name, f"/{served.namespace}/{name}", uri)
        wanted["spec"]["resources"]["gpu"] = count
        served.cluster.apply(wanted, namespace=served.namespace)
    replace(served, name="gpu").wait(lambda now: condition(now, "Ready").get("status") == "True", "one GPU is there")
    told = replace(served, name="gpus").wait(
        lambda now: "nvidia.com/gpu" in condition(now, "Ready").get("message", ""), "64 GPUs are not"
    )
    assert condition(told, "Ready")["status"] == "False"


WRONG = {
    "no JSON": (b'{"rows": [', 400),
    "no rows": (b"{}", 422),
    "a column of no model": (b'{"rows": [{"area": 1}]}', 422),
    "too long": (b"[" * (10 * 2**20 + 1), 413),
}


def test_wrong_requests_are_refused_and_cost_no_server(served: Served) -> None:
    before = _restarts(served)
    with Load(f"{served.url}/predict", BODIES, PER_SECOND) as load:
        for body, status in WRONG.values():
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(f"{served.url}/predict", body, timeout=30)  # noqa: S310 - of our own gateway
            refused.value.close()
            assert refused.value.code == status
        address = urlsplit(served.url)
        with socket.create_connection((address.hostname, address.port), timeout=60) as slow:
            head = f"POST {address.path}/predict HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000\r\n\r\n"
            slow.sendall(f'{head}{{"rows": '.encode())
            assert b" 408 " in slow.recv(4096).partition(b"\r\n")[0]
    assert not load.failures()
    assert _restarts(served) == before


def _restarts(served: Served) -> dict[str, int]:
    """Of the server of each pod that is to stay."""
    pods = served.cluster.items("pods", served.namespace, f"afina.dev/modeldeployment={served.name}")
    stay = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in stay}


def test_keeps_what_it_is_asked(served: Served, s3: S3Place) -> None:
    s3.client().create_bucket(Bucket=served.namespace)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-keys"}, "stringData": KEYS}
    served.cluster.apply(secret, namespace=served.namespace)
    place = {"bucket": served.namespace, "endpointUrl": s3.url, "secretRef": {"name": "s3-keys"}}
    before = served.now()["status"]["stable"]
    served.patch({"logging": {"redact": ["b"], "sink": {"s3": place}}})

    def kept() -> list[Json]:
        _answer(served.url, BODIES[3])
        files = (s3.buckets / served.namespace).rglob("*.jsonl.gz")
        return [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]

    row = wait_until(kept, "a row in the bucket", PATIENCE_SECONDS)[0]
    assert (row["a"], row["afina_prediction"], row["afina_revision"]) == (0.35, 1.0, before["revision"])
    assert "b" not in row
    assert served.now()["status"]["stable"] == before, "that is no rollout"
    served.patch({"logging": None})


RUNTIMES = {"RayServe": "1536Mi", "TorchServe": "512Mi"}
"""Those beside Uvicorn, and the least memory that each may have."""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_answers_the_same_numbers(runtime: str, served: Served) -> None:
    other = replace(served, name=runtime.lower())
    wanted = deployment(other.name, f"/{served.namespace}/{other.name}", str(served.now()["spec"]["model"]["uri"]))
    wanted["spec"] |= {"runtime": {"name": runtime}, "resources": {"cpu": "100m", "memory": RUNTIMES[runtime]}}
    served.cluster.apply(wanted, namespace=served.namespace)
    other.wait(lambda now: condition(now, "Ready").get("status") == "True", f"{runtime} is ready")
    assert [_answer(other.url, body) for body in BODIES] == [_answer(served.url, body) for body in BODIES]
    served.cluster.kubectl("delete", "mldep", other.name, namespace=served.namespace)


def _answer(url: str, body: Json) -> object:
    request = urllib.request.Request(f"{url}/predict", json.dumps(body).encode())  # noqa: S310 - of our own gateway
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["predictions"]
