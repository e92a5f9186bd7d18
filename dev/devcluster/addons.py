"""What the API server is told once it answers: volumes' objects, the Gateway API, the node's pretended GPUs."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster import kubectl
from devcluster.configs import VOLUME_PROVISIONER
from devcluster.console import DevClusterError
from devcluster.network import NODE_NAME
from devcluster.paths import Paths

GPUS = 2

_FIELD_MANAGER = "afina-dev"
_GATEWAY_CLASS_CRD = "crd/gatewayclasses.gateway.networking.k8s.io"
_NODE_READY_SECONDS = 90


def storage_class() -> dict[str, Any]:
    """The default class: a volume is made where the first pod that wants it is."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "folders", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": VOLUME_PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }


def gateway_class() -> dict[str, Any]:
    """The class of the Gateways that Traefik serves; its listeners have the port of our entry point."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "traefik"},
        "spec": {"controllerName": "traefik.io/gateway-controller"},
    }


def gpu_patch() -> dict[str, Any]:
    """Capacity for GPUs that are not there: scheduling and admission are real, the device is not."""
    amount = {"nvidia.com/gpu": str(GPUS)}
    return {"status": {"capacity": amount, "allocatable": amount}}


def apply(tools: Mapping[str, Path], paths: Paths) -> None:
    """Bring the objects and the node to what they should be; waits until the node is ready.

    Raises DevClusterError when it does not become ready.
    """
    binary = tools["kubectl"]
    objects = {"apiVersion": "v1", "kind": "List", "items": [storage_class(), gateway_class()]}
    _server_side_apply(binary, paths, str(tools["gateway-api-crds"]))
    kubectl.run(binary, paths, "wait", "--for=condition=Established", "--timeout=30s", _GATEWAY_CLASS_CRD)
    _server_side_apply(binary, paths, "-", stdin=json.dumps(objects))
    _wait_for_node(binary, paths)
    patch = json.dumps(gpu_patch())
    kubectl.run(binary, paths, "patch", "node", NODE_NAME, "--subresource=status", "--type=merge", "-p", patch)


def node_is_ready(binary: Path, paths: Paths) -> bool:
    condition = '{.status.conditions[?(@.type=="Ready")].status}'
    try:
        return kubectl.run(binary, paths, "get", "node", NODE_NAME, "-o", f"jsonpath={condition}") == "True"
    except DevClusterError:
        return False


def _server_side_apply(binary: Path, paths: Paths, source: str, stdin: str | None = None) -> None:
    kubectl.run(binary, paths, "apply", "--server-side", f"--field-manager={_FIELD_MANAGER}", "-f", source, stdin=stdin)


def _wait_for_node(binary: Path, paths: Paths) -> None:
    deadline = time.monotonic() + _NODE_READY_SECONDS
    while not node_is_ready(binary, paths):
        if time.monotonic() > deadline:
            raise DevClusterError(
                f"the node is not ready after {_NODE_READY_SECONDS} s: see {paths.logs / 'kubelet.log'}"
            )
        time.sleep(0.5)
