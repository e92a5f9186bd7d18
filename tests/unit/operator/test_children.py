"""What the children of a TuningJob are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from afina_api.tuningjob import TuningJob
from afina_operator.driver.children import child_name, children
from afina_operator.driver.kind import InvalidSpecError
from afina_operator.resources import (
    CONFIG_MAPS,
    JOBS,
    RAY_CLUSTERS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    VOLUME_CLAIMS,
    Json,
    Resource,
)
from afina_operator.settings import Images, Settings
from afina_operator.tuningjob.objects import KIND
from support.specs import ACCEPTED, GOOD, changed

SETTINGS = Settings(
    images=Images("reg/runtime:1", "reg/torch:1", "Always"), mlflow_tracking_uri="http://mlflow.afina:5000", ray=True
)


def named(changes: dict[str, Any] | None = None) -> Json:
    return changed(GOOD, {"metadata.namespace": "lab", "metadata.uid": "u1"} | (changes or {}))


def its_children(changes: dict[str, Any] | None = None, settings: Settings = SETTINGS) -> dict[Resource, Json]:
    job = named(changes)
    return children(KIND, job, KIND.parse(job, settings), settings)


def the_job(changes: dict[str, Any] | None = None, settings: Settings = SETTINGS) -> Json:
    found: Json = its_children(changes, settings)[JOBS]["spec"]
    return found


def the_pod(changes: dict[str, Any] | None = None) -> Json:
    found: Json = the_job(changes)["template"]["spec"]
    return found


def the_container(changes: dict[str, Any] | None = None) -> Json:
    found: Json = the_pod(changes)["containers"][0]
    return found


def environment(changes: dict[str, Any] | None = None) -> Json:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in the_container(changes)["env"]}


def test_the_job_comes_last_and_needs_what_comes_before() -> None:
    kinds = [SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, CONFIG_MAPS, VOLUME_CLAIMS, JOBS]
    assert list(its_children()) == kinds


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_all_children_are_owned_named_and_labelled(changes: dict[str, Any]) -> None:
    name = named(changes)["metadata"]["name"]
    for child in its_children(changes).values():
        metadata = child["metadata"]
        assert metadata["name"] == child_name("tj", name, RAY_CLUSTERS if child["kind"] == "RayCluster" else None)
        assert len(metadata["name"]) <= 63
        assert metadata["labels"]["afina.dev/tuningjob"] == name
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "afina"
        (owner,) = metadata["ownerReferences"]
        assert owner["uid"] == "u1"
        assert owner["controller"]


def test_long_names_that_begin_alike_stay_apart() -> None:
    first, second = child_name("tj", "a" * 63), child_name("tj", "a" * 62 + "b")
    assert first != second
    assert len(first) == len(second) == 63
    assert child_name("tj", "a" * 60) == "tj-" + "a" * 60


def test_the_driver_may_report_on_its_own_job_only() -> None:
    found = its_children()
    assert found[ROLES]["rules"] == [
        {"apiGroups": ["afina.dev"], "resources": ["tuningjobs"], "resourceNames": ["good"], "verbs": ["get"]},
        {"apiGroups": ["afina.dev"], "resources": ["tuningjobs/status"], "resourceNames": ["good"], "verbs": ["patch"]},
    ]
    assert found[SERVICE_ACCOUNTS]["automountServiceAccountToken"] is False
    assert the_pod()["automountServiceAccountToken"] is True


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_every_pod_is_admitted_at_the_restricted_level(changes: dict[str, Any]) -> None:
    pod = the_pod(changes)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
    assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "nodeName"} & pod.keys()


def test_the_spec_is_a_file_and_mounted_as_a_directory() -> None:
    content = json.loads(its_children()[CONFIG_MAPS]["data"]["spec.json"])
    assert TuningJob.model_validate(content) == TuningJob.model_validate(named())
    mounts = {one["name"]: one for one in the_container()["volumeMounts"]}
    assert mounts["spec"] == {"name": "spec", "mountPath": "/etc/afina/spec", "readOnly": True}
    assert environment()["AFINA_SPEC"] == "/etc/afina/spec/spec.json"


def test_a_driver_that_fails_for_good_is_not_started_again_and_a_stopped_one_is_no_failure() -> None:
    job = the_job()
    assert (job["backoffLimit"], job["podReplacementPolicy"]) == (10, "Failed")
    rules = [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in job["podFailurePolicy"]["rules"]]
    assert rules == [("FailJob", [10]), ("Ignore", None), ("Ignore", [143])]


def test_the_timeout_has_a_backstop() -> None:
    assert "activeDeadlineSeconds" not in the_job()
    assert the_job({"spec.budget.timeoutSeconds": 600})["activeDeadlineSeconds"] == 900


def test_resources_are_those_of_the_trials_and_of_the_driver() -> None:
    changes = {"spec.budget.parallelTrials": 3, "spec.trial.resources": {"cpu": "1.5", "memory": "1G", "gpu": 2}}
    assert the_container(changes)["resources"] == {
        "requests": {"cpu": "4600m", "memory": "3374Mi"},
        "limits": {"memory": "3374Mi", "nvidia.com/gpu": "6"},
    }
    assert the_pod(changes)["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert "tolerations" not in the_pod()


@pytest.mark.parametrize(
    ("changes", "image"),
    [
        ({}, "reg/runtime:1"),
        ({"spec.algorithm": {"name": "GP"}}, "reg/torch:1"),
        ({"spec.algorithm": {"name": "GP"}, "spec.trial.image": "mine:2"}, "mine:2"),
    ],
)
def test_the_spec_decides_the_image(changes: dict[str, Any], image: str) -> None:
    assert the_container(changes)["image"] == image
    assert the_container(changes)["imagePullPolicy"] == "Always"


def test_the_driver_knows_how_many_trials_at_a_time_its_pod_was_made_for() -> None:
    assert environment({"spec.budget.parallelTrials": 5})["AFINA_SLOTS"] == "5"


def test_only_what_is_asked_for_is_in_the_environment() -> None:
    assert "AFINA_SOURCE" not in environment()
    assert "AFINA_STORAGE_URL" not in environment()
    assert environment()["MLFLOW_TRACKING_URI"] == "http://mlflow.afina:5000"
    without = the_job(settings=Settings())["template"]["spec"]["containers"][0]["env"]
    assert "MLFLOW_TRACKING_URI" not in [one["name"] for one in without]
    mine = {"spec.trial.env": [{"name": "MINE", "value": "1"}]}
    assert "MINE" not in environment(mine), "the driver gives it to the trials"


def test_a_database_replaces_the_volume() -> None:
    changes = {"spec.storage": {"databaseSecretRef": {"name": "db", "key": "dsn"}}}
    assert VOLUME_CLAIMS not in its_children(changes)
    assert environment(changes)["AFINA_STORAGE_URL"] == {"secretKeyRef": {"name": "db", "key": "dsn"}}
    study = next(volume for volume in the_pod(changes)["volumes"] if volume["name"] == "study")
    assert study == {"name": "study", "emptyDir": {}}


def test_a_source_is_mounted_from_the_users_config_map() -> None:
    changes = {"spec.trial.source": {"configMapRef": {"name": "my-code"}}}
    assert environment(changes)["AFINA_SOURCE"] == "/etc/afina/source"
    assert {"name": "source", "configMap": {"name": "my-code"}} in the_pod(changes)["volumes"]


def test_the_volume_is_as_asked_for() -> None:
    changes = {"spec.storage": {"volume": {"size": "5Gi", "storageClassName": "fast"}}}
    spec = its_children(changes)[VOLUME_CLAIMS]["spec"]
    assert spec["resources"]["requests"]["storage"] == "5Gi"
    assert spec["storageClassName"] == "fast"
    assert "storageClassName" not in its_children()[VOLUME_CLAIMS]["spec"]


QUEUED = {"metadata.labels": {"kueue.x-k8s.io/queue-name": "gpus"}}


def test_what_is_for_a_queue_is_made_suspended_with_its_label() -> None:
    found = its_children({"spec.execution.workers": 2} | QUEUED)
    assert [one["kind"] for one in found.values() if one["metadata"]["labels"].get("kueue.x-k8s.io/queue-name")] == [
        "RayCluster",
        "Job",
    ]
    assert found[JOBS]["spec"]["suspend"]
    assert found[RAY_CLUSTERS]["spec"]["suspend"]
    assert not its_children({"spec.execution.workers": 2})[RAY_CLUSTERS]["spec"]["suspend"]


def the_cluster(changes: dict[str, Any] | None = None) -> Json:
    """The spec of the Ray cluster of a job with two workers."""
    found: Json = its_children({"spec.execution.workers": 2} | (changes or {}))[RAY_CLUSTERS]["spec"]
    return found


def ray_pods(cluster: Json) -> list[Json]:
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_only_a_job_with_workers_has_a_ray_cluster() -> None:
    assert RAY_CLUSTERS not in its_children({"spec.execution.engine": "RayTune"})
    kinds = list(its_children({"spec.execution.workers": 2}))
    assert kinds[-2:] == [RAY_CLUSTERS, JOBS]


def test_a_job_without_workers_costs_what_it_did() -> None:
    assert the_container()["resources"]["requests"] == {"cpu": "1100m", "memory": "2560Mi"}
    assert "afina.dev/ray" not in the_job()["template"]["metadata"]["labels"]


def test_ray_in_the_drivers_pod_needs_more_memory() -> None:
    assert the_container({"spec.execution.engine": "RayTune"})["resources"]["limits"] == {"memory": "4096Mi"}


def test_the_trials_run_on_the_workers_and_nowhere_else() -> None:
    cluster = the_cluster({"spec.budget.parallelTrials": 5, "spec.trial.resources": {"cpu": 1, "memory": "1Gi"}})
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert {workers[key] for key in ("replicas", "minReplicas", "maxReplicas")} == {2}
    assert workers["rayStartParams"]["num-cpus"] == "3"
    resources = workers["template"]["spec"]["containers"][0]["resources"]
    assert resources["requests"] == {"cpu": "3100m", "memory": f"{3 * 1024 + 768 + 3 * 256}Mi"}
    assert the_container({"spec.execution.workers": 2})["resources"]["requests"] == {"cpu": "100m", "memory": "1536Mi"}


def test_the_cluster_has_a_token_and_the_driver_knows_it() -> None:
    long = {"metadata.name": "a" * 63, "spec.execution.workers": 2}
    found = its_children(long)
    name = found[RAY_CLUSTERS]["metadata"]["name"]
    assert len(name) == 50, "KubeRay cuts the name of the Secret"
    assert found[RAY_CLUSTERS]["spec"]["authOptions"] == {"mode": "token"}
    mounted = {one["name"]: one for one in the_pod(long)["volumes"]}["ray-token"]["secret"]
    assert mounted == {"secretName": name, "optional": True}
    assert environment(long)["AFINA_RAY_ADDRESS"] == f"{name}-head-svc.lab.svc:6379"
    assert environment(long)["RAY_AUTH_TOKEN_PATH"] == "/etc/afina/ray/auth_token"  # noqa: S105


@pytest.mark.parametrize("changes", [{}, {"spec.trial.source": {"configMapRef": {"name": "code"}}}], ids=str)
def test_every_pod_of_the_cluster_is_restricted_and_knows_no_secret(changes: dict[str, Any]) -> None:
    for pod in ray_pods(the_cluster(changes)):
        assert pod["securityContext"] == the_pod()["securityContext"]
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == the_container()["securityContext"]
        assert {key for volume in pod["volumes"] for key in volume} - {"name"} <= {"configMap", "emptyDir"}
        assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
        assert all("value" in one for one in container["env"])


def test_ray_is_of_the_version_in_the_image() -> None:
    lock = (Path(__file__).parents[3] / "requirements" / "runtime.txt").read_text()
    assert the_cluster()["rayVersion"] == re.findall(r"^ray==(\S+)", lock, re.MULTILINE)[0]


def test_gpus_are_whole_for_the_pod_and_shared_within_it() -> None:
    shared = {"spec.trial.resources": {"gpu": 0.5, "gpuType": "A100"}, "spec.budget.parallelTrials": 3}
    pod = the_pod(shared)
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "A100"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_with_workers_only_they_have_gpus() -> None:
    changes = {"spec.trial.resources": {"gpu": 0.5, "gpuType": "A100"}, "spec.budget.parallelTrials": 8}
    cluster = the_cluster(changes)
    head, worker = ray_pods(cluster)
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert cluster["workerGroupSpecs"][0]["rayStartParams"]["num-gpus"] == "2"
    assert worker["nodeSelector"] == {"nvidia.com/gpu.product": "A100"}
    for pod in (head, the_pod({"spec.execution.workers": 2} | changes)):
        assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["limits"]
        assert not {"nodeSelector", "tolerations"} & pod.keys()


def test_workers_are_refused_where_the_installation_does_without() -> None:
    with pytest.raises(InvalidSpecError, match=r"set ray.enabled in the chart's values"):
        its_children({"spec.execution.workers": 2}, Settings())
