"""The chart: what it renders, what it refuses, and its life on a cluster."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.jobs import CHILDREN, LOSS_IS_X, Json, script, tuning_job, wait_ended
from kube import CHART, NAMESPACE, RELEASE, Cluster, KubeError, wait_until

pytestmark = pytest.mark.e2e

CRD = "tuningjobs.afina.dev"
EVERY_KIND = (
    "deployments,replicasets,pods,services,serviceaccounts,configmaps,persistentvolumeclaims,roles,rolebindings,"
    "clusterroles,clusterrolebindings,networkpolicies,leases"
)


def render(cluster: Cluster, *options: str) -> list[Json]:
    """The objects that the chart makes."""
    registry = "--set=image.registry=registry.example/afina"
    text = cluster.helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", registry, *options)
    return [document for document in yaml.safe_load_all(text) if document]


def only(objects: list[Json], kind: str, name: str) -> Json:
    """The object of that kind and name."""
    (found,) = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def environment(deployment: Json) -> dict[str, Any]:
    """The variables of a Deployment's container."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container["env"]}


def test_lint(cluster: Cluster) -> None:
    cluster.helm("lint", str(CHART), "--strict", "--set=image.registry=registry.example")


REFUSED = {
    "unknown value": (["--set=imagee.tag=1"], "imagee"),
    "value of another type": (["--set=clusterWide=sometimes"], "clusterWide"),
    "namespaces together with all of them": (["--set=clusterWide=true,watchNamespaces={a}"], "watchNamespaces"),
    "pull policy that does not exist": (["--set=image.pullPolicy=Sometimes"], "pullPolicy"),
    "artifacts on a path": (["--set=mlflow.artifacts.destination=/data"], "destination"),
    "address without a width": (["--set=networkPolicy.apiServerCidrs={10.0.0.1}"], "apiServerCidrs"),
    "no place for images": (["--set=image.registry="], "image.registry is empty: say where the images were pushed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses(what: str, cluster: Cluster) -> None:
    options, says = REFUSED[what]
    with pytest.raises(KubeError, match=says):
        render(cluster, *options)


def test_every_image_by_digest(cluster: Cluster) -> None:
    digest = "registry.example/image@sha256:" + "0" * 64
    names = ("operator", "runtime", "runtimeTorch", "torchserve", "mlflow")
    objects = render(cluster, *(f"--set-string=image.{name}={digest}" for name in names))
    deployments = [only(objects, "Deployment", f"{RELEASE}-{part}") for part in ("operator", "mlflow")]
    assert [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in deployments] == [digest, digest]
    variables = environment(deployments[0])
    named = ("AFINA_RUNTIME_IMAGE", "AFINA_RUNTIME_TORCH_IMAGE", "AFINA_TORCHSERVE_IMAGE")
    assert {variables[name] for name in named} == {digest}


@pytest.mark.parametrize("options", [(), ("--set=clusterWide=true",), ("--set=watchNamespaces={a,b}",)])
def test_grants_no_wildcard_no_escalation_and_no_secret(options: tuple[str, ...], cluster: Cluster) -> None:
    roles = [one for one in render(cluster, *options) if one["kind"] in ("Role", "ClusterRole")]
    assert roles
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
        assert not {"secrets", "pods/exec", "serviceaccounts/token", "nodes/proxy"} & set(rule["resources"])


def test_a_role_in_each_namespace_or_one_for_all(cluster: Cluster) -> None:
    def where(kind: str, *options: str) -> list[str]:
        found = [one for one in render(cluster, *options) if one["kind"] == kind]
        return [one["metadata"].get("namespace", "") for one in found if one["metadata"]["name"] == "afina-operator"]

    assert (where("Role"), where("ClusterRole")) == ([NAMESPACE], [])
    few, everywhere = "--set=watchNamespaces={a,b}", "--set=clusterWide=true"
    assert (where("Role", few), where("ClusterRole", few)) == (["a", "b"], [])
    assert (where("Role", everywhere), where("ClusterRole", everywhere)) == ([], [""])


def test_mlflow_on_postgresql_and_s3_needs_no_volume(cluster: Cluster) -> None:
    objects = render(
        cluster,
        "--set=mlflow.database.secretName=db",
        "--set=mlflow.artifacts.destination=s3://bucket/path,mlflow.artifacts.secretName=s3",
    )
    mlflow = only(objects, "Deployment", f"{RELEASE}-mlflow")
    assert environment(mlflow)["MLFLOW_BACKEND_STORE_URI"] == {"secretKeyRef": {"name": "db", "key": "url"}}
    (container,) = mlflow["spec"]["template"]["spec"]["containers"]
    assert "--artifacts-destination=s3://bucket/path" in container["args"]
    assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert not [one for one in objects if one["kind"] == "PersistentVolumeClaim"]


def test_without_mlflow(cluster: Cluster) -> None:
    objects = render(cluster, "--set=mlflow.enabled=false")
    assert not [one for one in objects if one["metadata"]["name"] == f"{RELEASE}-mlflow"]
    assert "AFINA_MLFLOW_TRACKING_URI" not in environment(only(objects, "Deployment", f"{RELEASE}-operator"))
    objects = render(cluster, "--set=mlflow.enabled=false,mlflow.trackingUri=http://mlflow.example")
    variables = environment(only(objects, "Deployment", f"{RELEASE}-operator"))
    assert variables["AFINA_MLFLOW_TRACKING_URI"] == "http://mlflow.example"


class TestLifeOfARelease:
    """In the order of the file."""

    @pytest.fixture(autouse=True, scope="class")
    @staticmethod
    def _afresh(cluster: Cluster) -> Iterator[None]:
        cluster.helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--ignore-not-found", "--wait")
        yield
        cluster.kubectl("delete", "tuningjob", "kept", "--ignore-not-found", namespace=NAMESPACE)

    def test_install_is_ready_under_the_restricted_level(self, cluster: Cluster) -> None:
        notes = cluster.install()
        assert f"kubectl -n {NAMESPACE} apply -f manifests/10-tuningjob-minimal.yaml" in notes
        namespace = cluster.get("namespace", NAMESPACE)
        assert namespace
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        pods = cluster.items("pods", NAMESPACE, f"app.kubernetes.io/instance={RELEASE}")
        assert sorted(pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods) == [
            "mlflow",
            "operator",
        ]

    def test_runs_a_job_of_its_own_namespace_only(self, cluster: Cluster) -> None:
        for namespace in (NAMESPACE, "default"):
            cluster.apply(tuning_job("kept", script(LOSS_IS_X)), namespace=namespace)
        assert wait_ended(cluster, NAMESPACE, "kept")["status"]["trials"]["succeeded"] == 3
        ignored = cluster.get("tuningjob", "kept", "default")
        cluster.kubectl("delete", "tuningjob", "kept", namespace="default")
        assert ignored
        assert "status" not in ignored

    def test_upgrade_renews_the_crd_and_the_rights(self, cluster: Cluster) -> None:
        path = "/spec/versions/0/additionalPrinterColumns"
        cluster.kubectl("patch", "crd", CRD, "--type=json", "-p", json.dumps([{"op": "remove", "path": path}]))
        cluster.install("--set=clusterWide=true")
        crd = cluster.get("crd", CRD)
        assert crd
        assert crd["spec"]["versions"][0]["additionalPrinterColumns"]
        assert cluster.get("clusterrole", f"{RELEASE}-operator")
        assert cluster.get("role", f"{RELEASE}-operator", NAMESPACE) is None

    def test_uninstall_leaves_the_jobs_and_nothing_else(self, cluster: Cluster) -> None:
        cluster.helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait")
        assert cluster.get("crd", CRD)
        kept = cluster.get("tuningjob", "kept", NAMESPACE)
        assert kept
        assert kept["status"]["summary"]["trials"] == "3/3"
        assert "finalizers" not in kept["metadata"]
        left = cluster.items(EVERY_KIND, NAMESPACE, f"app.kubernetes.io/instance={RELEASE}")
        assert [f"{one['kind']}/{one['metadata']['name']}" for one in left] == []
        leases = cluster.items("leases", NAMESPACE)
        assert leases == []

    def test_deletion_needs_no_operator(self, cluster: Cluster) -> None:
        selector = "afina.dev/tuningjob=kept"
        assert cluster.items(CHILDREN, NAMESPACE, selector)
        cluster.kubectl("delete", "tuningjob", "kept", "--timeout=30s", namespace=NAMESPACE)
        wait_until(lambda: not cluster.items(CHILDREN, NAMESPACE, selector), "the children of `kept` gone", 60)
