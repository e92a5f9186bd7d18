"""The children of an object: what the driver's pod is, and what it needs."""

import hashlib
import math
from typing import Any

from afina_api import quantity
from afina_api.base import Resources, Volume
from afina_api.execution import TrialResources
from afina_operator.driver.kind import Kind, Mount, Workload, spec_file
from afina_operator.driver.queue import QUEUE, queue
from afina_operator.driver.ray import RAY_LABEL, RayTemplate
from afina_operator.ownership import reference
from afina_operator.podspec import GPU, MANAGED, RESTRICTED_CONTAINER, RESTRICTED_POD, placement
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
from afina_operator.settings import Settings

CONTAINER = "driver"
SPEC_KEY = "spec.json"
FAILED_FOR_GOOD = 10
"""The driver's exit code after which it is not started again."""
TERMINATED = 143
"""The driver's exit code after SIGTERM: suspended, evicted or deleted, which is no failure of its own."""

DRIVER_MEMORY = "512Mi"
_LONGEST_NAME = 63
_LONGEST_RAY_NAME = 50
_SOURCE = "/etc/afina/source"
_DRIVER_CPU = quantity.parse("100m")


def child_name(prefix: str, name: str, resource: Resource | None = None) -> str:
    """The name of the child of that kind of the object of that name; one that is too long ends in a hash.

    All have 63 characters but a Ray cluster: KubeRay cuts what it makes of more than 50.
    """
    longest = _LONGEST_RAY_NAME if resource == RAY_CLUSTERS else _LONGEST_NAME
    full = f"{prefix}-{name}"
    if len(full) <= longest:
        return full
    ending = "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return full[: longest - len(ending)] + ending


def resources(one: Resources | TrialResources, parallel: int = 1, more_memory: str = DRIVER_MEMORY) -> Json:
    """Requests and limits of a pod that does so many of these at a time, and has some memory for itself."""
    memory = quantity.memory(quantity.parse(one.memory) * parallel + quantity.parse(more_memory))
    requests: dict[str, Any] = {
        "cpu": quantity.cpu(quantity.parse(one.cpu) * parallel + _DRIVER_CPU),
        "memory": memory,
    }
    limits: dict[str, Any] = {"memory": memory}
    if one.gpu and parallel:
        limits[GPU] = str(math.ceil(one.gpu * parallel))
    return {"requests": requests, "limits": limits}


def children(kind: Kind[Any], obj: Json, workload: Workload, settings: Settings) -> dict[Resource, Json]:
    """The objects that the driver needs, in the order in which they need each other, and its Job at last."""
    return _Children(kind, obj, workload, settings).all()


class _Children:
    def __init__(self, kind: Kind[Any], obj: Json, workload: Workload, settings: Settings) -> None:
        self._kind = kind
        self._obj = obj
        self._own: str = obj["metadata"]["name"]
        self._namespace: str = obj["metadata"]["namespace"]
        self._name = child_name(kind.prefix, self._own)
        self._workload = workload
        self._settings = settings
        self._is_queued = bool(queue(obj))

    def all(self) -> dict[Resource, Json]:
        found = {
            SERVICE_ACCOUNTS: self._child(SERVICE_ACCOUNTS, {"automountServiceAccountToken": False}),
            ROLES: self._role(),
            ROLE_BINDINGS: self._role_binding(),
            CONFIG_MAPS: self._child(CONFIG_MAPS, {"data": {SPEC_KEY: spec_file(self._obj)}}),
        }
        if self._workload.volume:
            found[VOLUME_CLAIMS] = self._volume_claim(self._workload.volume)
        if self._workload.ray:
            found[RAY_CLUSTERS] = self._child(RAY_CLUSTERS, {"spec": self._ray().spec(self._workload.ray)})
        return {**found, JOBS: self._job()}

    def _labels(self) -> dict[str, str]:
        own = {**MANAGED, "app.kubernetes.io/component": self._kind.component, self._kind.label: self._own}
        return {**own, **(RAY_LABEL if self._workload.ray else {})}

    def _ray(self) -> RayTemplate:
        return RayTemplate(
            name=child_name(self._kind.prefix, self._own, RAY_CLUSTERS),
            namespace=self._namespace,
            labels=self._labels(),
            image=self._workload.image,
            pull_policy=self._settings.images.pull_policy,
            suspend=self._workload.suspend or self._is_queued,
            mounts=self._trial_mounts(),
        )

    def _child(self, resource: Resource, content: Json) -> Json:
        queued = {QUEUE: queue(self._obj)} if self._is_queued and resource in (JOBS, RAY_CLUSTERS) else {}
        metadata = {
            "name": child_name(self._kind.prefix, self._own, resource),
            "namespace": self._namespace,
            "labels": {**self._labels(), **queued},
            "ownerReferences": [reference(self._obj)],
        }
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}

    def _role(self) -> Json:
        """The driver may report on its own object, and nothing else."""
        own = {"apiGroups": [self._kind.resource.group], "resourceNames": [self._own]}
        plural = self._kind.resource.plural
        rules = [
            {**own, "resources": [plural], "verbs": ["get"]},
            {**own, "resources": [f"{plural}/status"], "verbs": ["patch"]},
        ]
        return self._child(ROLES, {"rules": rules})

    def _role_binding(self) -> Json:
        subject = {"kind": SERVICE_ACCOUNTS.kind, "name": self._name, "namespace": self._namespace}
        role = {"apiGroup": ROLES.group, "kind": ROLES.kind, "name": self._name}
        return self._child(ROLE_BINDINGS, {"roleRef": role, "subjects": [subject]})

    def _volume_claim(self, volume: Volume) -> Json:
        spec: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": volume.size}}}
        if volume.storage_class_name:
            spec["storageClassName"] = volume.storage_class_name
        return self._child(VOLUME_CLAIMS, {"spec": spec})

    def _job(self) -> Json:
        spec: Json = {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": self._workload.restarts,
            "podReplacementPolicy": "Failed",
            "suspend": self._workload.suspend or self._is_queued,
            "podFailurePolicy": {
                "rules": [
                    _on_exit("FailJob", FAILED_FOR_GOOD),
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    _on_exit("Ignore", TERMINATED),
                ]
            },
            "template": {"metadata": {"labels": self._labels()}, "spec": self._pod_spec()},
        }
        if self._workload.deadline is not None:
            spec["activeDeadlineSeconds"] = self._workload.deadline
        return self._child(JOBS, {"spec": spec})

    def _pod_spec(self) -> Json:
        found: Json = {
            "restartPolicy": "Never",
            "serviceAccountName": self._name,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 30,
            "securityContext": RESTRICTED_POD,
            "containers": [self._container()],
            "volumes": [mount.volume for mount in self._mounts()],
        }
        return {**found, **placement(self._workload.resources, self._workload.node_selector)}

    def _container(self) -> Json:
        return {
            "name": CONTAINER,
            "image": self._workload.image,
            "imagePullPolicy": self._settings.images.pull_policy,
            "command": ["python3", "-m", "afina_jobs.driver"],
            "env": self._environment(),
            "resources": self._workload.resources,
            "securityContext": RESTRICTED_CONTAINER,
            "volumeMounts": [mount.volume_mount for mount in self._mounts()],
        }

    def _environment(self) -> list[Json]:
        values = {
            "AFINA_SPEC": f"/etc/afina/spec/{SPEC_KEY}",
            "AFINA_IMAGE": self._workload.image,
            "AFINA_STUDY": "/var/lib/afina",
            "AFINA_WORKSPACE": "/workspace",
            "HOME": "/tmp",  # noqa: S108 - a volume of the pod's own
            "TMPDIR": "/tmp",  # noqa: S108
            **({"AFINA_SOURCE": _SOURCE} if self._workload.source else {}),
            **(self._ray().driver_environment() if self._workload.ray else {}),
            **self._workload.env,
        }
        if self._settings.mlflow_tracking_uri:
            values["MLFLOW_TRACKING_URI"] = self._settings.mlflow_tracking_uri
        return [*({"name": name, "value": values[name]} for name in sorted(values)), *self._workload.secret_env]

    def _mounts(self) -> list[Mount]:
        claim = {"persistentVolumeClaim": {"claimName": self._name}}
        return [
            # The whole directory, never a single file of it: only so the kubelet updates it when the budget grows.
            Mount("spec", "/etc/afina/spec", {"configMap": {"name": self._name}}),
            Mount("study", "/var/lib/afina", claim if self._workload.volume else {"emptyDir": {}}),
            *self._trial_mounts(),
            *([self._ray().token_mount()] if self._workload.ray else []),
            *self._workload.mounts,
        ]

    def _trial_mounts(self) -> list[Mount]:
        """What a trial needs, by the same names wherever it runs: an actor is told those of the driver."""
        return [
            Mount("tmp", "/tmp", {"emptyDir": {}}),  # noqa: S108 - a volume of the pod's own
            Mount("workspace", "/workspace", {"emptyDir": {}}),
            *([Mount("source", _SOURCE, self._workload.source)] if self._workload.source else []),
        ]


def _on_exit(action: str, code: int) -> Json:
    return {"action": action, "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [code]}}
