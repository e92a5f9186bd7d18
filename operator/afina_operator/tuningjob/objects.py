"""The children of a TuningJob: what the driver's pod is, and what it needs."""

import hashlib
from typing import Any

from afina_api.base import Resources, Volume
from afina_api.tuningjob import Storage, TuningJob
from afina_operator import quantity
from afina_operator.resources import (
    CONFIG_MAPS,
    JOBS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    TUNING_JOBS,
    VOLUME_CLAIMS,
    Json,
    Resource,
)
from afina_operator.settings import Settings
from afina_operator.tuningjob.schema import spec_file

NAME_LABEL = "afina.dev/tuningjob"
CONTAINER = "driver"
SPEC_KEY = "tuningjob.json"
FAILED_FOR_GOOD = 10
"""The driver's exit code after which it is not started again."""
TERMINATED = 143
"""The driver's exit code after SIGTERM: suspended, evicted or deleted, which is no failure of its own."""
BACKSTOP_SECONDS = 300
"""The driver ends the search at the timeout; so much later the Job controller ends the driver."""

_LONGEST_NAME = 63
_USER = 65532
_GPU = "nvidia.com/gpu"
_DRIVER_CPU = quantity.parse("100m")
_DRIVER_MEMORY = quantity.parse("512Mi")


def child_name(name: str) -> str:
    """The name of all children of the TuningJob of that name; longer than 63 characters, it ends in a hash."""
    full = f"tj-{name}"
    if len(full) <= _LONGEST_NAME:
        return full
    ending = "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return full[: _LONGEST_NAME - len(ending)] + ending


def children(job: TuningJob, settings: Settings) -> dict[Resource, Json]:
    """The objects that the TuningJob needs, in the order in which they need each other."""
    found = {
        SERVICE_ACCOUNTS: _service_account(job),
        ROLES: _role(job),
        ROLE_BINDINGS: _role_binding(job),
        CONFIG_MAPS: _config_map(job),
    }
    if not job.spec.storage.database_secret_ref:
        found[VOLUME_CLAIMS] = _volume_claim(job)
    return {**found, JOBS: _job(job, settings)}


def active_deadline(job: TuningJob) -> int | None:
    """Seconds after which the Job controller ends the Job; None for never."""
    timeout = job.spec.budget.timeout_seconds
    return None if timeout is None else timeout + BACKSTOP_SECONDS


def _labels(job: TuningJob) -> dict[str, str]:
    return {
        "app.kubernetes.io/managed-by": "afina",
        "app.kubernetes.io/component": "tuning",
        NAME_LABEL: job.metadata.name,
    }


def _child(job: TuningJob, resource: Resource, content: Json) -> Json:
    owner = {
        "apiVersion": TUNING_JOBS.api_version,
        "kind": TUNING_JOBS.kind,
        "name": job.metadata.name,
        "uid": job.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {
        "name": child_name(job.metadata.name),
        "namespace": job.metadata.namespace,
        "labels": _labels(job),
        "ownerReferences": [owner],
    }
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}


def _service_account(job: TuningJob) -> Json:
    return _child(job, SERVICE_ACCOUNTS, {"automountServiceAccountToken": False})


def _role(job: TuningJob) -> Json:
    """The driver may report on its own job, and nothing else."""
    own = {"apiGroups": [TUNING_JOBS.group], "resourceNames": [job.metadata.name]}
    rules = [
        {**own, "resources": [TUNING_JOBS.plural], "verbs": ["get"]},
        {**own, "resources": [f"{TUNING_JOBS.plural}/status"], "verbs": ["patch"]},
    ]
    return _child(job, ROLES, {"rules": rules})


def _role_binding(job: TuningJob) -> Json:
    name = child_name(job.metadata.name)
    return _child(
        job,
        ROLE_BINDINGS,
        {
            "roleRef": {"apiGroup": ROLES.group, "kind": ROLES.kind, "name": name},
            "subjects": [{"kind": SERVICE_ACCOUNTS.kind, "name": name, "namespace": job.metadata.namespace}],
        },
    )


def _config_map(job: TuningJob) -> Json:
    return _child(job, CONFIG_MAPS, {"data": {SPEC_KEY: spec_file(job)}})


def _volume_claim(job: TuningJob) -> Json:
    volume = job.spec.storage.volume or Volume()
    spec: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume.size}}}
    if volume.storage_class_name:
        spec["storageClassName"] = volume.storage_class_name
    return _child(job, VOLUME_CLAIMS, {"spec": spec})


def _job(job: TuningJob, settings: Settings) -> Json:
    spec: Json = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 10,
        "podReplacementPolicy": "Failed",
        "suspend": job.spec.suspend,
        "podFailurePolicy": {
            "rules": [
                _on_exit("FailJob", FAILED_FOR_GOOD),
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                _on_exit("Ignore", TERMINATED),
            ]
        },
        "template": {"metadata": {"labels": _labels(job)}, "spec": _pod_spec(job, settings)},
    }
    if (deadline := active_deadline(job)) is not None:
        spec["activeDeadlineSeconds"] = deadline
    return _child(job, JOBS, {"spec": spec})


def _on_exit(action: str, code: int) -> Json:
    return {"action": action, "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [code]}}


def _pod_spec(job: TuningJob, settings: Settings) -> Json:
    found: Json = {
        "restartPolicy": "Never",
        "serviceAccountName": child_name(job.metadata.name),
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job, settings)],
        "volumes": [{"name": name, **source} for name, _, source in _volumes(job)],
    }
    if job.spec.trial.resources.gpu:
        found["tolerations"] = [{"key": _GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return found


def _container(job: TuningJob, settings: Settings) -> Json:
    return {
        "name": CONTAINER,
        "image": _image(job, settings),
        "imagePullPolicy": settings.images.pull_policy,
        "command": ["python3", "-m", "afina_jobs.driver"],
        "env": _environment(job, settings),
        "resources": _resources(job.spec.trial.resources, job.spec.budget.parallel_trials),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": name, "mountPath": path, **({"readOnly": True} if "configMap" in source else {})}
            for name, path, source in _volumes(job)
        ],
    }


def _image(job: TuningJob, settings: Settings) -> str:
    needs_torch = job.spec.algorithm.name == "GP"
    return job.spec.trial.image or (settings.images.runtime_torch if needs_torch else settings.images.runtime)


def _environment(job: TuningJob, settings: Settings) -> list[Json]:
    values = {
        "AFINA_SPEC": f"/etc/afina/spec/{SPEC_KEY}",
        "AFINA_STUDY": "/var/lib/afina",
        "AFINA_WORKSPACE": "/workspace",
        "HOME": "/tmp",  # noqa: S108 - a volume of the pod's own
        "TMPDIR": "/tmp",  # noqa: S108
    }
    if job.spec.trial.source:
        values["AFINA_SOURCE"] = "/etc/afina/source"
    if settings.mlflow_tracking_uri:
        values["MLFLOW_TRACKING_URI"] = settings.mlflow_tracking_uri
    found: list[Json] = [{"name": name, "value": value} for name, value in sorted(values.items())]
    if secret := job.spec.storage.database_secret_ref:
        source = {"secretKeyRef": {"name": secret.name, "key": secret.key}}
        found.append({"name": "AFINA_STORAGE_URL", "valueFrom": source})
    return found


def _resources(trial: Resources, parallel: int) -> Json:
    memory = quantity.memory(quantity.parse(trial.memory) * parallel + _DRIVER_MEMORY)
    requests: dict[str, Any] = {
        "cpu": quantity.cpu(quantity.parse(trial.cpu) * parallel + _DRIVER_CPU),
        "memory": memory,
    }
    limits: dict[str, Any] = {"memory": memory}
    if trial.gpu:
        limits[_GPU] = str(trial.gpu * parallel)
    return {"requests": requests, "limits": limits}


def _volumes(job: TuningJob) -> list[tuple[str, str, Json]]:
    """Name, mount path and source of each volume."""
    name = child_name(job.metadata.name)
    found: list[tuple[str, str, Json]] = [
        # The whole directory, never a single file of it: only so the kubelet updates it when the budget grows.
        ("spec", "/etc/afina/spec", {"configMap": {"name": name}}),
        ("study", "/var/lib/afina", _study_volume(job.spec.storage, name)),
        ("workspace", "/workspace", {"emptyDir": {}}),
        ("tmp", "/tmp", {"emptyDir": {}}),  # noqa: S108 - a volume of the pod's own
    ]
    if source := job.spec.trial.source:
        found.append(("source", "/etc/afina/source", {"configMap": {"name": source.config_map_ref.name}}))
    return found


def _study_volume(storage: Storage, name: str) -> Json:
    if storage.database_secret_ref:
        return {"emptyDir": {}}
    return {"persistentVolumeClaim": {"claimName": name}}
