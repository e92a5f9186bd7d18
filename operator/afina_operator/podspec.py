"""What all pods that the operator makes have in common: they fit the restricted Pod Security level."""

from afina_operator.resources import Json

MANAGED = {"app.kubernetes.io/managed-by": "afina"}
"""Label of all that the operator makes."""
MANAGED_SELECTOR = ",".join(f"{name}={value}" for name, value in MANAGED.items())
GPU = "nvidia.com/gpu"
GPU_TOLERATION: Json = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}

GPU_TYPE = "nvidia.com/gpu.product"
"""Label of a node, by NVIDIA's GPU feature discovery."""

_USER = 65532

RESTRICTED_POD: Json = {
    "runAsNonRoot": True,
    "runAsUser": _USER,
    "runAsGroup": _USER,
    "fsGroup": _USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Security context of a pod."""

RESTRICTED_CONTAINER: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""Security context of a container."""


def placement(resources: Json, node_selector: Json) -> Json:
    """Where a pod of these resources may be placed: nodes with those labels, and with GPUs if it has one."""
    tolerations = {"tolerations": [GPU_TOLERATION]} if GPU in resources.get("limits", {}) else {}
    return {**tolerations, **({"nodeSelector": node_selector} if node_selector else {})}


def from_secret(variable: str, name: str, key: str) -> Json:
    """A variable whose value is in a Secret, as a container names it."""
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}
