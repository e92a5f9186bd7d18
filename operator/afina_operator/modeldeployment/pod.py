"""The pods of a ModelDeployment: what a model server is told."""

from collections.abc import Iterable
from typing import Any

from afina_api import quantity
from afina_api.modeldeployment import ModelDeploymentSpec, PredictionLogging
from afina_api.s3 import S3_KEYS, S3Access
from afina_api.serving import LOG_KEYS
from afina_operator.modeldeployment.revisions import Revision
from afina_operator.podspec import GPU, GPU_TOLERATION, RESTRICTED_CONTAINER, RESTRICTED_POD, from_secret
from afina_operator.resources import Json
from afina_operator.settings import Settings

CONTAINER = "server"
PORT = 8080
GRPC_PORT = 8081
DRAIN_SECONDS = 30
"""A pod that ends answers what it has begun for so long."""

_ROUTE_WAIT_SECONDS = 5
"""A pod that ends keeps answering for so long, until every gateway knows."""
_SHARED_MEMORY = "128Mi"
"""More than Ray is told to take."""


def pod_spec(shadow: str, wanted: ModelDeploymentSpec, revision: Revision, settings: Settings) -> Json:
    """Spec of the pods of a revision.

    Args:
        shadow: host at which they look for a canary that wants copies of requests.
        wanted: spec of the ModelDeployment.
        revision: what they serve.
        settings: of the installation.
    """
    found: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": DRAIN_SECONDS + _ROUTE_WAIT_SECONDS,
        "securityContext": RESTRICTED_POD,
        "containers": [_container(shadow, wanted, revision, settings)],
        "volumes": [{"name": name, "emptyDir": about} for name, (_, about) in _volumes(revision).items()],
    }
    if revision.gpu:
        found["tolerations"] = [GPU_TOLERATION]
    return found


def _volumes(revision: Revision) -> dict[str, tuple[str, Json]]:
    """Where each volume of the pod's own is mounted, and what it is."""
    found: dict[str, tuple[str, Json]] = {"model": ("/var/lib/afina", {}), "tmp": ("/tmp", {})}  # noqa: S108
    if revision.runtime == "RayServe":
        # Its store of objects. What is in it counts as the container's memory.
        found["shm"] = ("/dev/shm", {"medium": "Memory", "sizeLimit": _SHARED_MEMORY})  # noqa: S108
    return found


def _secrets(access: S3Access, variables: Iterable[str], *, optional: bool = False) -> list[Json]:
    """S3's keys under the names of variables."""
    found = []
    if access.secret_ref:
        for variable, key in zip(variables, S3_KEYS, strict=True):
            entry = from_secret(variable, access.secret_ref.name, key)
            entry["valueFrom"]["secretKeyRef"] |= {"optional": True} if optional else {}
            found.append(entry)
    return found


def _download(revision: Revision) -> list[Json]:
    """What is needed to fetch a model that is not the registry's."""
    if revision.model.s3 is None:
        return []
    access = S3Access.model_validate(revision.model.s3)
    known = {"MLFLOW_S3_ENDPOINT_URL": access.endpoint_url, "AWS_DEFAULT_REGION": access.region or "us-east-1"}
    return [{"name": name, "value": value} for name, value in known.items() if value] + _secrets(access, S3_KEYS)


def _logging(wanted: PredictionLogging | None) -> list[Json]:
    """What the server must know to keep what it is asked."""
    if wanted is None:
        return []
    found: Json = {"name": "AFINA_LOG", "value": wanted.model_dump_json(by_alias=True, exclude_none=True)}
    # A server without its log is better than none.
    return [found, *_secrets(wanted.sink.s3, LOG_KEYS, optional=True)]


def _container(shadow: str, wanted: ModelDeploymentSpec, revision: Revision, settings: Settings) -> Json:
    memory = quantity.memory(quantity.parse(revision.memory))
    limits: dict[str, Any] = {"memory": memory}
    if revision.gpu:
        limits[GPU] = str(revision.gpu)
    environment = {
        "AFINA_GRPC_PORT": str(GRPC_PORT),
        "AFINA_MODEL": revision.model.source,
        "AFINA_MODEL_DIGEST": revision.model.digest,
        "AFINA_MODEL_DIR": "/var/lib/afina",
        "AFINA_MODEL_NAME": revision.model.name,
        "AFINA_MODEL_VERSION": revision.model.version,
        "AFINA_REVISION": revision.name,
        "AFINA_RUNTIME": revision.runtime,
        "AFINA_SHADOW_URL": f"http://{shadow}:{PORT}",
        "AFINA_WORKERS": str(revision.workers),
        "HOME": "/tmp",  # noqa: S108 - a volume of the pod's own
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "PORT": str(PORT),
        "TMPDIR": "/tmp",  # noqa: S108
    }
    affinity = wanted.rollout.affinity
    if affinity and affinity.cookie:
        environment |= {"AFINA_COOKIE": affinity.cookie, "AFINA_COOKIE_PATH": wanted.endpoint.path}
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    return {
        "name": CONTAINER,
        "image": revision.image,
        "imagePullPolicy": settings.images.pull_policy,
        "command": ["python3", "-m", "afina_serving"],
        "env": variables + _download(revision) + _logging(wanted.logging),
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": revision.cpu, "memory": memory}, "limits": limits},
        "startupProbe": {
            "httpGet": {"path": "/v2/health/live", "port": "http"},
            "periodSeconds": 1,
            "failureThreshold": 600,
        },
        # A server that is slow to answer under load is not helped by sending its requests nowhere.
        "readinessProbe": {
            "httpGet": {"path": "/v2/health/ready", "port": "http"},
            "periodSeconds": 2,
            "timeoutSeconds": 5,
        },
        "livenessProbe": {
            "httpGet": {"path": "/v2/health/live", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": _ROUTE_WAIT_SECONDS}}},
        "securityContext": RESTRICTED_CONTAINER,
        "volumeMounts": [{"name": name, "mountPath": path} for name, (path, _) in _volumes(revision).items()],
    }
