"""The Ray cluster of an object: what KubeRay is told, and how the driver joins it.

KubeRay makes the head, the workers, the Service and the Secret with the token. The driver stays in its Job and joins
the cluster as a node that runs nothing: see docs/decisions for why it is no RayJob.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afina_operator.driver.kind import Mount, RayCluster
from afina_operator.podspec import RESTRICTED_CONTAINER, RESTRICTED_POD, placement
from afina_operator.resources import Json

RAY_VERSION = "2.60.0"
"""That of the runtime image."""
RAY_LABEL = {"afina.dev/ray": "true"}
"""Label of the pods that speak with each other on Ray's ports."""

_TOKEN_FOLDER = "/etc/afina/ray"  # noqa: S105 - no secret
_TOKEN_KEY = "auth_token"  # noqa: S105
_PORT = 6379
_OBJECT_STORE_BYTES = 100 * 2**20
_ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - a volume of the pod's own
    "TMPDIR": "/tmp",  # noqa: S108
    # A busy node takes its time.
    "RAY_raylet_start_wait_time_s": "180",
    # Who has lost the head ends, and is started again.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",
    # The kernel takes the trial's process alone, and the trial says why it failed; Ray would take the actor.
    "RAY_memory_monitor_refresh_ms": "0",
    # What an actor that died has started is ended, too.
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True)
class RayTemplate:
    """What the parts of a cluster have in common."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    image: str
    pull_policy: str
    suspend: bool
    mounts: Sequence[Mount]
    """What each pod has."""

    def spec(self, cluster: RayCluster) -> Json:
        """The spec of the RayCluster."""
        store = {"object-store-memory": str(_OBJECT_STORE_BYTES)}
        gpus = {"num-gpus": str(cluster.gpus)} if cluster.gpus else {}
        return {
            "rayVersion": RAY_VERSION,
            "authOptions": {"mode": "token"},
            "suspend": self.suspend,
            "headGroupSpec": {
                "rayStartParams": {"num-cpus": "0", "num-gpus": "0", **store},
                "template": self._template(cluster.head_resources, {}),
            },
            "workerGroupSpecs": [
                {
                    "groupName": "workers",
                    "replicas": cluster.workers,
                    "minReplicas": cluster.workers,
                    "maxReplicas": cluster.workers,
                    "rayStartParams": {"num-cpus": str(cluster.slots), **gpus, **store},
                    "template": self._template(cluster.worker_resources, cluster.node_selector),
                }
            ],
        }

    def _template(self, resources: Json, node_selector: Json) -> Json:
        container = {
            "name": "ray",
            "image": self.image,
            "imagePullPolicy": self.pull_policy,
            "env": [{"name": name, "value": value} for name, value in sorted(_ENVIRONMENT.items())],
            "resources": resources,
            "securityContext": RESTRICTED_CONTAINER,
            "volumeMounts": [mount.volume_mount for mount in self.mounts],
        }
        pod = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": RESTRICTED_POD,
            "containers": [container],
            "volumes": [mount.volume for mount in self.mounts],
            **placement(resources, node_selector),
        }
        return {"metadata": {"labels": dict(self.labels)}, "spec": pod}

    def driver_environment(self) -> dict[str, str]:
        """How the driver finds the head, and where its key is."""
        address = f"{self.name}-head-svc.{self.namespace}.svc:{_PORT}"
        return {"AFINA_RAY_ADDRESS": address, "RAY_AUTH_TOKEN_PATH": f"{_TOKEN_FOLDER}/{_TOKEN_KEY}"}

    def token_mount(self) -> Mount:
        """The key, which KubeRay makes: it may come after the driver's pod."""
        return Mount("ray-token", _TOKEN_FOLDER, {"secret": {"secretName": self.name, "optional": True}})
