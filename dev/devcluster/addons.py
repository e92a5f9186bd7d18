"""What the API server is told once it answers: volumes, the Gateway API, the metrics-server, the pretended GPUs."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster import kubectl
from devcluster.configs import METRICS_PORT, VOLUME_PROVISIONER
from devcluster.console import DevClusterError
from devcluster.network import NODE_IP, NODE_NAME
from devcluster.paths import Paths

GPUS = 2

_FIELD_MANAGER = "afina-dev"
_GATEWAY_CLASS_CRD = "crd/gatewayclasses.gateway.networking.k8s.io"
_RAY_CLUSTER_CRD = "crd/rayclusters.ray.io"
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


def metrics_objects(authority: bytes) -> list[dict[str, Any]]:
    """How the API server, which trusts that authority, reaches the metrics-server, which is no pod."""
    place = {"name": "metrics-server", "namespace": "kube-system"}
    labels = {"kubernetes.io/service-name": place["name"]}
    port = {"name": "https", "protocol": "TCP"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": place,
            "spec": {"ports": [{**port, "port": 443, "targetPort": METRICS_PORT}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**place, "labels": labels},
            "addressType": "IPv4",
            "ports": [{**port, "port": METRICS_PORT}],
            "endpoints": [{"addresses": [NODE_IP]}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "service": place,
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "caBundle": base64.b64encode(authority).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def gpu_patch() -> dict[str, Any]:
    """Capacity for GPUs that are not there: scheduling and admission are real, the device is not."""
    amount = {"nvidia.com/gpu": str(GPUS)}
    return {"status": {"capacity": amount, "allocatable": amount}}


def apply(tools: Mapping[str, Path], paths: Paths) -> None:
    """Bring the objects and the node to what they should be; waits until the node is ready.

    Raises DevClusterError when it does not become ready.
    """
    binary = tools["kubectl"]
    items = [storage_class(), *metrics_objects(paths.ca_certificate.read_bytes()), gateway_class()]
    objects = {"apiVersion": "v1", "kind": "List", "items": items}
    _server_side_apply(binary, paths, str(tools["gateway-api-crds"]))
    kubectl.run(binary, paths, "wait", "--for=condition=Established", "--timeout=30s", _GATEWAY_CLASS_CRD)
    _server_side_apply(binary, paths, "-", stdin=json.dumps(objects))
    _wait_for_node(binary, paths)
    patch = json.dumps(gpu_patch())
    kubectl.run(binary, paths, "patch", "node", NODE_NAME, "--subresource=status", "--type=merge", "-p", patch)


def apply_kuberay(tools: Mapping[str, Path], paths: Paths) -> None:
    """Make KubeRay's kinds known."""
    binary = tools["kubectl"]
    _server_side_apply(binary, paths, str(tools["kuberay-crds"]))
    kubectl.run(binary, paths, "wait", "--for=condition=Established", "--timeout=30s", _RAY_CLUSTER_CRD)


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
