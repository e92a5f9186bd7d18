"""The configuration files of the components, as text. JSON where a program reads YAML: it is a part of it."""

import json

from devcluster.network import BRIDGE, NODE_IP, NODE_POD_RANGE, POD_RANGE, SERVICE_RANGE
from devcluster.paths import Paths

REGISTRY = "127.0.0.1:5001"
PROMETHEUS = "127.0.0.1:9090"
DISCOVERY = "127.0.0.1:10252"
COREDNS_READY = "127.0.0.1:10251"
GATEWAY = "127.0.0.1:8000"
GATEWAY_PING = "127.0.0.1:10253"
KUBERAY = "127.0.0.1:10254"
VOLUME_PROVISIONER = "afina.dev/volume-provisioner"
METRICS_PORT = 10254


def containerd(paths: Paths, pause_image: str) -> str:
    return f"""\
version = 2
root = "{paths.containerd}"
state = "{paths.containerd_state}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]

[grpc]
address = "{paths.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause_image}"
# Without CAP_SYS_RESOURCE no process may lower its score, and runc fails on every pod.
restrict_oom_score_adj = true
# Below our state folder the network namespaces' mounts are found, and removed, with the others.
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{paths.containerd_state / "runc"}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{paths.config / "cni"}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{paths.config / "registries"}"
"""


def registry_host() -> str:
    """The hosts.toml that containerd reads for our registry: plain HTTP."""
    return f'server = "http://{REGISTRY}"\n\n[host."http://{REGISTRY}"]\ncapabilities = ["pull", "resolve"]\n'


def cni(paths: Paths) -> str:
    addresses = {
        "type": "host-local",
        "dataDir": str(paths.cluster / "cni"),
        "ranges": [[{"subnet": NODE_POD_RANGE, "gateway": NODE_IP}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    return json.dumps({"cniVersion": "1.0.0", "name": "afina-dev", "plugins": [bridge]}, indent=2)


def kubelet(paths: Paths) -> str:
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_IP,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(paths.ca_certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "clusterDNS": [NODE_IP],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{paths.containerd_socket}",
            "enforceNodeAllocatable": ["pods"],
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 99,
            "imageGCLowThresholdPercent": 98,
            "podLogsDir": str(paths.cluster / "pod-logs"),
            # The machine's own file would bring its search domains into every pod.
            "resolvConf": str(paths.config / "resolv.conf"),
            "serializeImagePulls": False,
            "tlsCertFile": str(paths.pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(paths.pki / "kubelet.key"),
            "volumePluginDir": str(paths.cluster / "volume-plugins"),
        },
        indent=2,
    )


def resolv_conf() -> str:
    return f"nameserver {NODE_IP}\n"


def coredns(paths: Paths) -> str:
    """Services by name; for every other name a plain no, since nothing leads outside."""
    return f"""\
cluster.local:53 {POD_RANGE}:53 {SERVICE_RANGE}:53 {{
    bind {NODE_IP}
    errors
    ready {COREDNS_READY}
    kubernetes cluster.local {POD_RANGE} {SERVICE_RANGE} {{
        kubeconfig {paths.kubeconfig}
        ttl 5
    }}
}}
.:53 {{
    bind {NODE_IP}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def registry(paths: Paths) -> str:
    storage = {"filesystem": {"rootdirectory": str(paths.registry)}, "delete": {"enabled": True}}
    return json.dumps({"version": "0.1", "log": {"level": "warn"}, "storage": storage, "http": {"addr": REGISTRY}})


def prometheus() -> str:
    """Scrapes the pods that our discovery names."""
    pods = {"job_name": "pods", "http_sd_configs": [{"url": f"http://{DISCOVERY}/", "refresh_interval": "5s"}]}
    return json.dumps({"global": {"scrape_interval": "5s"}, "scrape_configs": [pods]}, indent=2)
