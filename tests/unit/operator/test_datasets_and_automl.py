"""What a Dataset's and an AutoMLJob's driver gets, and what an AutoMLJob waits for. All else is as with a TuningJob."""

from datetime import UTC, datetime
from typing import Any

import pytest

from afina_api.reasons import AutoMLReason, DatasetReason
from afina_operator.automljob.objects import KIND as AUTOML
from afina_operator.conditions import condition
from afina_operator.dataset.objects import KIND as DATASET
from afina_operator.driver.children import children
from afina_operator.driver.handlers import controller
from afina_operator.driver.kind import InvalidSpecError, Kind
from afina_operator.driver.observe import Observed, observe
from afina_operator.driver.plan import plan
from afina_operator.plan import ApplyStatus, Create
from afina_operator.resources import CONFIG_MAPS, JOBS, ROLES, VOLUME_CLAIMS, Json, ref
from afina_operator.settings import Images, Settings
from support.specs import changed
from world import kubernetes
from world.apiserver import ApiServer
from world.passes import run_now, run_pass

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SETTINGS = Settings(images=Images("reg/runtime:1", "reg/torch:1"), http_allowed_hosts="data.example.com")
META = {"name": "houses", "namespace": "lab", "uid": "u1", "resourceVersion": "7", "generation": 1}
A_DATASET: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "Dataset",
    "metadata": META,
    "spec": {"source": {"configMap": {"name": "files", "key": "a.csv"}}, "format": "CSV"},
}
A_JOB: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "AutoMLJob",
    "metadata": META,
    "spec": {"datasetRef": {"name": "houses"}, "target": "price"},
}


def its_pod(kind: Kind[Any], obj: Json) -> Json:
    found: Json = children(kind, obj, kind.parse(obj, SETTINGS), SETTINGS)[JOBS]["spec"]["template"]["spec"]
    return found


def environment(pod: Json) -> Json:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in pod["containers"][0]["env"]}


def mounted(pod: Json, path: str) -> Json:
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == path]
    (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
    return {**volume, "readOnly": mount.get("readOnly", False)}


def sourced(source: Json) -> Json:
    return its_pod(DATASET, changed(A_DATASET, {"spec.source": source}))


def test_a_dataset_reads_a_config_map() -> None:
    pod = its_pod(DATASET, A_DATASET)
    assert mounted(pod, "/etc/afina/source") == {"name": "source", "configMap": {"name": "files"}, "readOnly": True}
    assert environment(pod)["AFINA_SOURCE"] == "/etc/afina/source"
    assert "AFINA_HTTP_ALLOWED_HOSTS" not in environment(pod)


def test_a_dataset_reads_a_volume_and_cannot_write_to_it() -> None:
    pod = sourced({"volume": {"claimRef": {"name": "lake"}, "path": "a.csv"}})
    claim = {"claimName": "lake", "readOnly": True}
    assert mounted(pod, "/etc/afina/source") == {"name": "source", "persistentVolumeClaim": claim, "readOnly": True}


def test_a_dataset_gets_the_keys_of_its_bucket_from_their_secret() -> None:
    pod = sourced({"s3": {"bucket": "lake", "key": "a.csv", "secretRef": {"name": "keys"}}})
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert environment(pod)[key] == {"secretKeyRef": {"name": "keys", "key": key}}
    public = environment(sourced({"s3": {"bucket": "lake", "key": "a.csv"}}))
    assert not {"AFINA_SOURCE", "AWS_ACCESS_KEY_ID"} & set(public)


def test_a_dataset_knows_which_hosts_it_may_ask() -> None:
    pod = sourced({"http": {"url": "https://data.example.com/a.csv"}})
    assert environment(pod)["AFINA_HTTP_ALLOWED_HOSTS"] == "data.example.com"


def test_a_dataset_that_dies_is_read_twice_more_at_most() -> None:
    job = children(DATASET, A_DATASET, DATASET.parse(A_DATASET, SETTINGS), SETTINGS)[JOBS]
    assert job["spec"]["backoffLimit"] == 2
    assert "activeDeadlineSeconds" not in job["spec"]


def test_a_dataset_reports_on_itself_alone() -> None:
    role = children(DATASET, A_DATASET, DATASET.parse(A_DATASET, SETTINGS), SETTINGS)[ROLES]
    assert [rule["resources"] for rule in role["rules"]] == [["datasets"], ["datasets/status"]]
    assert all(rule["resourceNames"] == ["houses"] for rule in role["rules"])
    assert role["metadata"]["name"] == "ds-houses"


def test_an_automl_job_reads_the_volume_of_its_dataset_and_cannot_write_to_it() -> None:
    pod = its_pod(AUTOML, A_JOB)
    claim = {"claimName": "ds-houses", "readOnly": True}
    assert mounted(pod, "/var/lib/dataset") == {"name": "dataset", "persistentVolumeClaim": claim, "readOnly": True}
    assert mounted(pod, "/var/lib/afina")["persistentVolumeClaim"] == {"claimName": "aml-houses"}
    assert environment(pod)["AFINA_DATASET"] == "/var/lib/dataset"


@pytest.mark.parametrize(
    ("budget", "seconds"), [({}, 4800), ({"size": "Large"}, 61_200), ({"timeSeconds": 60}, 3720)], ids=str
)
def test_an_automl_job_has_twice_its_time_and_an_hour(budget: Json, seconds: int) -> None:
    job = changed(A_JOB, {"spec.budget": budget})
    found = children(AUTOML, job, AUTOML.parse(job, SETTINGS), SETTINGS)[JOBS]
    assert found["spec"]["activeDeadlineSeconds"] == seconds


def test_an_mlp_needs_the_torch_image() -> None:
    job = changed(A_JOB, {"spec.models": ["Linear", "MLP"]})
    assert its_pod(AUTOML, job)["containers"][0]["image"] == "reg/torch:1"
    assert its_pod(AUTOML, A_JOB)["containers"][0]["image"] == "reg/runtime:1"
    with pytest.raises(InvalidSpecError, match=r"spec\.models: MLP needs the torch runtime image"):
        AUTOML.parse(job, Settings())


def test_embeddings_of_images_need_the_torch_image() -> None:
    photos = {"volume": {"claimRef": {"name": "lake"}, "path": "photos"}}
    plain = changed(A_DATASET, {"spec.source": photos, "spec.format": "Images", "spec.images": {}})
    dataset = changed(plain, {"spec.images": {"features": ["EfficientNetLite0"]}})
    assert its_pod(DATASET, dataset)["containers"][0]["image"] == "reg/torch:1"
    assert its_pod(DATASET, plain)["containers"][0]["image"] == "reg/runtime:1"
    expected = r"spec\.images\.features: EfficientNetLite0 needs the torch runtime image.*, or leave it out"
    with pytest.raises(InvalidSpecError, match=expected):
        DATASET.parse(dataset, Settings())


def ready(status: str, reason: str = "Accepted", message: str = "") -> Json:
    entry = {"type": "Ready", "status": status, "reason": reason, "message": message}
    return changed(A_DATASET, {"status": {"conditions": [entry]}})


def test_an_automl_job_starts_when_its_dataset_is_ready() -> None:
    found = plan(Observed(AUTOML, A_JOB, required=ready("True")), SETTINGS, NOW)
    made = [write.obj["kind"] for write in found.writes if isinstance(write, Create)]
    assert made[-1] == "Job"


@pytest.mark.parametrize(
    ("dataset", "status", "reason", "words"),
    [
        (None, "Unknown", AutoMLReason.PENDING, "There is no Dataset 'houses': create it."),
        (A_DATASET, "Unknown", AutoMLReason.PENDING, "Dataset 'houses' is not Ready yet"),
        (ready("Unknown", "Running", "It is read."), "Unknown", AutoMLReason.PENDING, "It is read."),
        (
            ready("False", "ValidationFailed", "price: min 0"),
            "False",
            AutoMLReason.DATASET_NOT_READY,
            "Dataset 'houses' is not Ready: ValidationFailed: price: min 0",
        ),
    ],
    ids=["missing", "new", "being read", "refused"],
)
def test_an_automl_job_waits_for_its_dataset(dataset: Json | None, status: str, reason: str, words: str) -> None:
    found = plan(Observed(AUTOML, A_JOB, required=dataset), SETTINGS, NOW)
    (write,) = [write for write in found.writes if isinstance(write, ApplyStatus)]
    assert not [write for write in found.writes if isinstance(write, Create)]
    summary = condition(write.obj, "Succeeded")
    assert (summary["status"], summary["reason"]) == (status, reason)
    assert words in summary["message"]
    assert "startTime" not in write.obj["status"]
    assert found.again_after == 5.0


def test_what_a_dataset_mounts_and_does_not_exist_is_told() -> None:
    world = ApiServer()
    applied = {**A_DATASET, "metadata": {"name": "houses", "namespace": "lab"}}
    target = ref(world.make(applied, "user"))
    control = controller(DATASET, SETTINGS)
    run_pass(control, world, target)
    kubernetes.run_job_controller(world)
    seen = run_now(observe(DATASET, world, world.objects[target]))
    assert seen.missing == "spec.source.configMap.name: there is no ConfigMap 'files': create it."
    run_pass(control, world, target)
    summary = condition(world.objects[target], "Ready")
    assert (summary["status"], summary["reason"]) == ("Unknown", DatasetReason.PENDING)
    assert seen.missing in summary["message"]
    assert condition(world.objects[target], "Suspended") == {}


@pytest.mark.parametrize(
    ("code", "words", "status", "reason"),
    [
        (0, '{"reason": "Accepted", "message": "442 rows"}', "True", DatasetReason.ACCEPTED),
        (10, '{"reason": "UnreadableData", "message": "line 3"}', "False", DatasetReason.UNREADABLE_DATA),
        (10, '{"reason": "MaxTrialsReached", "message": "a word of another kind"}', "False", "DriverFailed"),
    ],
    ids=["accepted", "refused", "a word of another kind"],
)
def test_a_dataset_ends_as_its_driver_says(code: int, words: str, status: str, reason: str) -> None:
    world = ApiServer()
    applied = {**A_DATASET, "metadata": {"name": "houses", "namespace": "lab"}}
    target = ref(world.make(applied, "user"))
    metadata = {"name": "files", "namespace": "lab"}
    world.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}, "user")
    control = controller(DATASET, SETTINGS)
    run_pass(control, world, target)
    for _ in range(3):
        kubernetes.run_job_controller(world)
        kubernetes.start_pods(world)
        run_pass(control, world, target)
    assert condition(world.objects[target], "Ready")["reason"] == "Running"
    kubernetes.end_drivers(world, code, words)
    kubernetes.run_job_controller(world)
    run_pass(control, world, target)
    summary = condition(world.objects[target], "Ready")
    assert (summary["status"], summary["reason"]) == (status, reason)
    assert {CONFIG_MAPS, VOLUME_CLAIMS} <= {one.resource for one in world.objects}
