"""Rollouts on the real cluster: good canaries and bad ones, under load, through a real Gateway."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from mlflow import MlflowClient

from afina_api.serving import REVISION_HEADER
from e2e.jobs import Json, condition
from e2e.rollouts import ALIAS, GATEWAY, Models, deployment, recorded_routes
from kube import Cluster, wait_until
from support.canaries import BODIES, DRIFTED, FAILING, GOOD, SLOW, Canary
from tracking import forwarded_mlflow
from traffic import Load

pytestmark = pytest.mark.e2e

STEPS = [{"setWeight": 20}, {"analysis": {"minSamples": 50}}, {"setWeight": 60}, {"pauseSeconds": 2}]
JUDGE = {"maxErrorShareIncrease": 0.03, "maxLatencyRatio": 4, "maxPredictionDrift": 0.2}
PER_SECOND = 50.0
_PATIENCE = 300


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

        return wait_until(seen, what, _PATIENCE, every=0.5)

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


class Client:
    """Keeps the cookies that it is given."""

    def __init__(self, url: str) -> None:
        self.cookies = CookieJar()
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def ask(self) -> str:
        """The revision that answered."""
        with self._opener.open(self._url, json.dumps(BODIES[0]).encode(), timeout=10) as answer:
            return str(answer.headers[REVISION_HEADER])


@pytest.fixture(scope="module")
def served(afina: Cluster, new_namespace: Callable[[str], str]) -> Iterator[Served]:
    namespace, name = new_namespace("rollouts"), "sums"
    with forwarded_mlflow(afina) as mlflow:
        models = Models(MlflowClient(mlflow.uri), namespace)
        models.register(GOOD)
        uri = f"models:/{namespace}@{ALIAS}"
        rollout = {"steps": STEPS, "judge": JUDGE, "progressDeadlineSeconds": 120}
        afina.apply(GATEWAY, deployment(name, f"/{namespace}", uri, **rollout), namespace=namespace)
        found = Served(afina, namespace, name, models)
        found.wait_stable("1")
        yield found
        afina.kubectl("delete", "mldep", "--all", namespace=namespace)  # others need the processors


def test_answers_at_its_address(served: Served) -> None:
    with Load(f"{served.url}/predict", BODIES, 20) as load:
        wait_until(lambda: len(load.answers) > 20, "answers", 20)
    assert not load.failures()


def test_a_good_canary_is_promoted_without_a_failed_request(served: Served) -> None:
    with (
        Load(f"{served.url}/predict", BODIES, PER_SECOND) as load,
        recorded_routes(served.cluster, served.namespace, served.name) as routes,
    ):
        version = served.models.register(GOOD)
        served.wait_stable(version)
    assert not load.failures()
    assert all(sum(shares.values()) == 100 for shares in routes.seen)
    assert [sorted(shares.values()) for shares in routes.seen] == [[100], [0, 100], [20, 80], [40, 60], [100]]
    assert len({answer.revision for answer in load.answers}) == 2


BAD: dict[str, tuple[Canary, str, str]] = {
    "answers that are no numbers": (FAILING, "JudgeFailed", "errors"),
    "slow": (SLOW, "JudgeFailed", "latency"),
    "other predictions": (DRIFTED, "JudgeFailed", "predictions"),
}


@pytest.mark.parametrize(("canary", "reason", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_canary_is_rolled_back_before_the_next_step(
    canary: Canary, reason: str, words: str, served: Served
) -> None:
    before = served.now()["status"]["stable"]
    with (
        Load(f"{served.url}/predict", BODIES, PER_SECOND) as load,
        recorded_routes(served.cluster, served.namespace, served.name) as routes,
    ):
        version = served.models.register(canary)
        found = served.wait_rolled_back(reason)
        assert found["status"]["rejected"]["modelVersion"] == version
        served.models.make_champion(before["modelVersion"])
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    assert words in found["status"]["rejected"]["message"]
    assert max(min(shares.values()) for shares in routes.seen if len(shares) == 2) == 20
    assert all(sum(shares.values()) == 100 for shares in routes.seen)
    assert set(load.failures()) <= {500}, "the canary's own answers are the only ones that fail"


def test_a_canary_with_another_digest_gets_no_request(served: Served) -> None:
    before = served.now()["status"]["stable"]
    with Load(f"{served.url}/predict", BODIES, 20) as load:
        served.models.register(GOOD, wrong_digest=True)
        found = served.wait_rolled_back("CrashLoop")
        served.models.make_champion(before["modelVersion"])
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    assert "was changed" in found["status"]["rejected"]["message"]
    assert not load.failures()
    assert {answer.revision for answer in load.answers} == {before["revision"]}


def test_a_canary_that_never_gets_ready_is_given_up(served: Served) -> None:
    before = served.now()["status"]["stable"]
    served.patch({"image": "registry.invalid/none:1", "rollout": {"progressDeadlineSeconds": 20}})
    found = served.wait_rolled_back("ProgressDeadlineExceeded")
    served.patch({"image": None, "rollout": {"progressDeadlineSeconds": 120}})
    served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the image is back")
    assert "Pull" in found["status"]["rejected"]["message"]
    assert found["status"]["stable"] == before
    assert condition(found, "Ready")["status"] == "True"


def test_without_traffic_it_waits_until_somebody_aborts(served: Served) -> None:
    before = served.now()["status"]["stable"]
    served.models.register(GOOD)
    served.wait(lambda now: condition(now, "Inconclusive").get("reason") == "TooFewSamples", "too few samples")
    assert "rolled back" in served.afina("abort", "it", "is", "odd")
    found = served.wait_rolled_back("Aborted")
    assert found["status"]["weight"] == 0
    assert "it is odd" in found["status"]["rejected"]["message"]
    served.models.make_champion(before["modelVersion"])
    served.wait_stable(before["modelVersion"])


def test_a_canary_is_shown_copies_before_it_gets_a_request(served: Served) -> None:
    judge = {**JUDGE, "maxPredictionDrift": None, "maxChangedAnswers": 0.05}
    served.patch({"rollout": {"steps": [{"shadow": {"minSamples": 50}}, *STEPS], "judge": judge}})
    with (
        Load(f"{served.url}/predict", BODIES, PER_SECOND) as load,
        recorded_routes(served.cluster, served.namespace, served.name) as routes,
    ):
        good = served.models.register(GOOD)
        trusted = served.wait_stable(good)["status"]["stable"]["revision"]
        seen = len(routes.versions)
        served.models.register(DRIFTED)
        found = served.wait_rolled_back("JudgeFailed")
        served.models.make_champion(good)
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    served.patch({"rollout": {"steps": STEPS, "judge": {**JUDGE, "maxChangedAnswers": None}}})
    assert "answers: " in found["status"]["rejected"]["message"]
    assert {shares.get(trusted) for _, shares in routes.versions[seen:]} == {100}
    assert not load.failures()


def test_clients_stay_with_a_revision(served: Served) -> None:
    steps = [{"setWeight": 50}, {"gate": {}}]
    served.patch({"rollout": {"affinity": {"cookie": "bucket"}, "steps": steps}})
    version = served.models.register(GOOD)
    served.wait(lambda now: now["status"].get("weight") == 50, "half of the traffic for the canary")
    clients = [Client(f"{served.url}/predict") for _ in range(20)]
    for client in clients:
        wait_until(lambda: client.ask() and client.cookies, "a cookie", 60)  # noqa: B023
    revisions = [{client.ask() for _ in range(5)} for client in clients]
    assert all(len(seen) == 1 for seen in revisions)
    assert len(set.union(*revisions)) == 2
    served.afina("approve")
    served.wait_stable(version)
    served.patch({"rollout": {"affinity": None, "steps": STEPS}})


def test_the_scale_subresource_sets_the_replicas(served: Served) -> None:
    served.cluster.kubectl("scale", "mldep", served.name, "--replicas=2", namespace=served.namespace)
    served.wait(lambda now: now["status"].get("replicas") == 2, "two replicas")
    served.cluster.kubectl("scale", "mldep", served.name, "--replicas=1", namespace=served.namespace)
    served.wait(lambda now: now["status"].get("replicas") == 1, "one replica")


def test_an_autoscaler_scales_in_a_rollout_without_a_failed_request(served: Served) -> None:
    scaling = {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 30}
    served.patch({"autoscaling": scaling, "rollout": {"steps": [{"setWeight": 20}, {"gate": {}}]}})
    version = served.models.register(GOOD)
    served.wait(lambda now: condition(now, "Progressing").get("reason") == "GateClosed", "the canary waits")
    with Load(f"{served.url}/predict", BODIES, 2 * PER_SECOND) as load:
        # The load is more than three pods are to have, and both revisions get some of it.
        scaled = served.wait(lambda now: now["status"]["replicas"] == 6, "three pods of each revision")
        assert scaled["status"]["weight"] == 20
        served.afina("approve")
        found = served.wait_stable(version)
    assert not load.failures()
    assert found["spec"]["replicas"] == 3
    served.patch({"autoscaling": None, "rollout": {"steps": STEPS}})
    wait_until(lambda: not served.cluster.items("hpa", served.namespace), "the autoscaler is gone", _PATIENCE)
    served.patch({"replicas": 1})
    served.wait(lambda now: now["status"]["replicas"] == 1, "one replica")


def test_one_pod_more_is_enough_for_a_rollout_without_a_failed_request(served: Served) -> None:
    served.patch({"replicas": 2, "rollout": {"maxSurge": 1}})
    served.wait(lambda now: now["status"]["replicas"] == 2, "two replicas")
    counts = []

    def is_promoted(now: Json) -> bool:
        found = served.cluster.items("deployments", served.namespace, f"afina.dev/modeldeployment={served.name}")
        counts.append(sum(one["spec"]["replicas"] for one in found))
        return bool(now["status"]["stable"]["modelVersion"] == version and "canary" not in now["status"])

    with Load(f"{served.url}/predict", BODIES, PER_SECOND) as load:
        version = served.models.register(GOOD)
        served.wait(is_promoted, "the canary has all of the traffic")
    assert not load.failures()
    assert max(counts) == 3
    served.patch({"replicas": 1, "rollout": {"maxSurge": None}})
    served.wait(lambda now: now["status"]["replicas"] == 1, "one replica")


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
