"""The kinds of objects that the operator reads and writes, and how to name one object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from afina_api import API_VERSION

Json = dict[str, Any]
"""An object as the API server sends it. Nothing in it may be trusted to be there."""


@dataclass(frozen=True)
class Resource:
    """A kind of object."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.api_version.rpartition("/")[2]

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL path of one object, or of all of them in the namespace (None: in all namespaces)."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace is not None else ""
        return root + scope + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)


TUNING_JOBS = Resource(API_VERSION, "TuningJob", "tuningjobs")
DATASETS = Resource(API_VERSION, "Dataset", "datasets")
AUTOML_JOBS = Resource(API_VERSION, "AutoMLJob", "automljobs")
MODEL_DEPLOYMENTS = Resource(API_VERSION, "ModelDeployment", "modeldeployments")
JOBS = Resource("batch/v1", "Job", "jobs")
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
AUTOSCALERS = Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
CONTROLLER_REVISIONS = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
GATEWAYS = Resource("gateway.networking.k8s.io/v1", "Gateway", "gateways")
HTTP_ROUTES = Resource("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
SERVICES = Resource("v1", "Service", "services")
PODS = Resource("v1", "Pod", "pods")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
VOLUME_CLAIMS = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
ROLES = Resource("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
EVENTS = Resource("v1", "Event", "events")
RAY_CLUSTERS = Resource("ray.io/v1", "RayCluster", "rayclusters")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")

_ALL = (
    TUNING_JOBS,
    DATASETS,
    AUTOML_JOBS,
    MODEL_DEPLOYMENTS,
    JOBS,
    DEPLOYMENTS,
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    GATEWAYS,
    HTTP_ROUTES,
    SERVICES,
    PODS,
    CONFIG_MAPS,
    VOLUME_CLAIMS,
    SERVICE_ACCOUNTS,
    ROLES,
    ROLE_BINDINGS,
    EVENTS,
    RAY_CLUSTERS,
    LEASES,
)
_BY_KIND = {(resource.api_version, resource.kind): resource for resource in _ALL}


class Ref(NamedTuple):
    """Names one object; whether it exists is another question."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.namespace}/{self.name}"


def ref(obj: Mapping[str, Any]) -> Ref:
    """The name of an object that the operator made."""
    return Ref(_BY_KIND[obj["apiVersion"], obj["kind"]], obj["metadata"]["namespace"], obj["metadata"]["name"])


def bound(obj: Json, seen: Json) -> Json:
    """The object, as a write that is accepted only while the existing one is that very version of that very object.

    Both marks are needed: without the uid, an apply makes an object that is gone anew; and for a status, the API
    server looks at the version only.
    """
    marks = {mark: seen["metadata"][mark] for mark in ("uid", "resourceVersion")}
    return {**obj, "metadata": {**obj["metadata"], **marks}}


def dig(obj: Any, *path: str | int) -> Any:
    """The value at a path of an object that others wrote; None where the path leads nowhere."""
    for step in path:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return None
    return obj


def contains(existing: Any, desired: Any) -> bool:
    """Whether `existing` says all that `desired` says; it may say more, as the API server fills in defaults."""
    if existing == desired:
        return True
    if isinstance(desired, Mapping):
        return isinstance(existing, Mapping) and all(contains(existing.get(key), desired[key]) for key in desired)
    if isinstance(desired, list):
        return isinstance(existing, list) and len(existing) == len(desired) and all(map(contains, existing, desired))
    return False
