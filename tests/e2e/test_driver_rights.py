"""What a driver may do with its token: read its own TuningJob, write that one's status, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.jobs import script, tuning_job
from kube import Cluster, KubeError, wait_until

pytestmark = pytest.mark.e2e

_SELF_REVIEWS = {
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
}


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    """With two TuningJobs, `mine` and `another`; they wait for GPUs that nobody has."""
    namespace = new_namespace("rights")
    trial = {**script("true"), "resources": {"gpu": 64}}
    afina.apply(tuning_job("mine", trial), tuning_job("another", trial), namespace=namespace)
    wait_until(lambda: len(afina.items("rolebindings", namespace)) == 2, "both RoleBindings", 60)
    return namespace


@pytest.fixture(scope="module")
def driver(afina: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster as the driver of `mine` sees it."""
    token = afina.kubectl("create", "token", "tj-mine", namespace=namespace).strip()
    config = json.loads(afina.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    config["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("driver") / "kubeconfig"
    Path(path).write_text(json.dumps(config))
    return Cluster(str(path), afina.programs, afina.images)


def test_lists_no_more_rights(driver: Cluster, namespace: str) -> None:
    lines = driver.kubectl("auth", "can-i", "--list", "--no-headers", namespace=namespace).splitlines()
    rights = {
        line.split()[0]: line for line in lines if not line.startswith(" ") and line.split()[0] not in _SELF_REVIEWS
    }
    assert set(rights) == {"tuningjobs.afina.dev", "tuningjobs.afina.dev/status"}, lines
    assert rights["tuningjobs.afina.dev"].split()[1:] == ["[]", "[mine]", "[get]"]
    assert rights["tuningjobs.afina.dev/status"].split()[1:] == ["[]", "[mine]", "[patch]"]


def _report(driver: Cluster, name: str, namespace: str) -> None:
    """Write a status the way that drivers do."""
    status = {"summary": {"best": "loss 0.5"}}
    manifest = {"apiVersion": "afina.dev/v1alpha1", "kind": "TuningJob", "metadata": {"name": name}, "status": status}
    apply = ["apply", "--server-side", "--subresource=status", "--field-manager=afina-driver", "-f", "-"]
    driver.kubectl(*apply, namespace=namespace, stdin=json.dumps(manifest))


def test_reads_its_job_and_writes_its_status(driver: Cluster, namespace: str) -> None:
    _report(driver, "mine", namespace)
    found = driver.get("tuningjob", "mine", namespace)
    assert found
    assert found["status"]["summary"]["best"] == "loss 0.5"


def test_may_not_write_the_status_of_another_job(driver: Cluster, namespace: str) -> None:
    with pytest.raises(KubeError, match="forbidden"):
        _report(driver, "another", namespace)


FORBIDDEN = {
    "read another job": ["get", "tuningjob", "another"],
    "list the jobs": ["get", "tuningjobs"],
    "change its own spec": ["patch", "tuningjob", "mine", "--type=merge", "-p", '{"spec": {"suspend": false}}'],
    "delete its own job": ["delete", "tuningjob", "mine"],
    "read Secrets": ["get", "secrets"],
    "read its ConfigMap": ["get", "configmap", "tj-mine"],
    "make a pod": ["create", "--validate=false", "-f", "-"],
    "read another namespace": ["get", "tuningjobs", "--namespace=default"],
    "read nodes": ["get", "nodes"],
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_may_not(what: str, driver: Cluster, namespace: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
    with pytest.raises(KubeError, match="forbidden"):
        driver.kubectl(*FORBIDDEN[what], namespace=namespace, stdin=json.dumps(pod))
