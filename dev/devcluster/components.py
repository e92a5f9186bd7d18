"""The programs of the cluster, in the order they need each other, with the flags that were seen to work together."""

import sys
from pathlib import Path

from devcluster import configs, probes
from devcluster.certificates import kubeconfig_path
from devcluster.network import NODE_IP, NODE_NAME, POD_RANGE, SERVICE_RANGE
from devcluster.paths import Paths
from devcluster.processes import Component

TOOLS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
    "coredns",
    "volume-provisioner",
    "metrics-server",
    "traefik",
    "gateway-api-crds",
    "helm",
)
KUBERAY_TOOLS = ("ray-operator", "kuberay-crds")
"""Of what is in the cluster only when somebody asks for it."""

_ETCD = "127.0.0.1:12379"
_ETCD_PEER = "http://127.0.0.1:12380"
_ETCD_METRICS = "http://127.0.0.1:12381"

Tools = dict[str, Path]


def registry(paths: Paths) -> Component:
    config = paths.config / "registry.yml"
    argv = ("docker-registry", "serve", str(config))
    return Component(
        "registry", argv, probes.answers(f"http://{configs.REGISTRY}/v2/"), {config: configs.registry(paths)}
    )


def etcd(paths: Paths) -> Component:
    argv = (
        "etcd",
        f"--data-dir={paths.cluster / 'etcd'}",
        f"--listen-client-urls=https://{_ETCD}",
        f"--advertise-client-urls=https://{_ETCD}",
        "--client-cert-auth",
        f"--trusted-ca-file={paths.ca_certificate}",
        f"--cert-file={paths.pki / 'etcd.crt'}",
        f"--key-file={paths.pki / 'etcd.key'}",
        f"--listen-peer-urls={_ETCD_PEER}",
        f"--initial-advertise-peer-urls={_ETCD_PEER}",
        f"--initial-cluster=default={_ETCD_PEER}",
        f"--listen-metrics-urls={_ETCD_METRICS}",
        "--quota-backend-bytes=4294967296",
        "--auto-compaction-retention=1",
        # Every write of the cluster would wait for the disk. What is lost with the machine, `make up` makes again.
        "--unsafe-no-fsync",
    )
    return Component("etcd", argv, probes.answers(f"{_ETCD_METRICS}/health"))


def apiserver(paths: Paths, tools: Tools) -> Component:
    pki = paths.pki
    argv = (
        str(tools["kube-apiserver"]),
        f"--bind-address={NODE_IP}",
        f"--advertise-address={NODE_IP}",
        "--secure-port=6443",
        "--endpoint-reconciler-type=lease",
        f"--etcd-servers=https://{_ETCD}",
        f"--etcd-cafile={paths.ca_certificate}",
        f"--etcd-certfile={pki / 'etcd.crt'}",
        f"--etcd-keyfile={pki / 'etcd.key'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--client-ca-file={paths.ca_certificate}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--service-account-key-file={pki / 'service-account.key'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={paths.ca_certificate}",
        # Nothing resolves the node's name; `kubectl logs` would try it first.
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={paths.ca_certificate}",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    )
    return Component("kube-apiserver", argv, probes.answers(f"https://{NODE_IP}:6443/readyz", paths.ca_certificate))


def controller_manager(paths: Paths, tools: Tools) -> Component:
    argv = (
        str(tools["kube-controller-manager"]),
        *_leaderless_flags(paths, "controller-manager"),
        f"--service-account-private-key-file={paths.pki / 'service-account.key'}",
        f"--root-ca-file={paths.ca_certificate}",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={paths.ca_certificate}",
        f"--cluster-signing-key-file={paths.pki / 'ca.key'}",
    )
    healthy = probes.answers("https://127.0.0.1:10257/healthz", paths.ca_certificate)
    return Component("kube-controller-manager", argv, healthy)


def scheduler(paths: Paths, tools: Tools) -> Component:
    argv = (str(tools["kube-scheduler"]), *_leaderless_flags(paths, "scheduler"))
    return Component("kube-scheduler", argv, probes.answers("https://127.0.0.1:10259/healthz", paths.ca_certificate))


def _leaderless_flags(paths: Paths, client: str) -> tuple[str, ...]:
    config = kubeconfig_path(paths, client)
    return (
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--tls-cert-file={paths.pki / client}.crt",
        f"--tls-private-key-file={paths.pki / client}.key",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )


def kube_proxy(paths: Paths, tools: Tools) -> Component:
    argv = (
        str(tools["kube-proxy"]),
        f"--kubeconfig={kubeconfig_path(paths, 'proxy')}",
        f"--hostname-override={NODE_NAME}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={POD_RANGE}",
        "--nodeport-addresses=127.0.0.0/8",
        "--healthz-bind-address=127.0.0.1:10256",
        # The kernel's own limits stay as they are.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )
    return Component("kube-proxy", argv, probes.answers("http://127.0.0.1:10256/healthz"))


def containerd(paths: Paths, pause_image: str) -> Component:
    config = paths.config / "containerd.toml"
    files = {
        config: configs.containerd(paths, pause_image),
        paths.config / "registries" / configs.REGISTRY / "hosts.toml": configs.registry_host(),
        paths.config / "cni" / "10-afina.conflist": configs.cni(paths),
    }
    argv = ("containerd", f"--config={config}")
    return Component("containerd", argv, probes.listens(paths.containerd_socket), files)


def kubelet(paths: Paths, tools: Tools) -> Component:
    config = paths.config / "kubelet.json"
    files = {config: configs.kubelet(paths), paths.config / "resolv.conf": configs.resolv_conf()}
    argv = (
        str(tools["kubelet"]),
        f"--config={config}",
        f"--kubeconfig={kubeconfig_path(paths, 'kubelet')}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_IP}",
        f"--root-dir={paths.cluster / 'kubelet'}",
        f"--cert-dir={paths.cluster / 'kubelet' / 'pki'}",
    )
    return Component("kubelet", argv, probes.answers("http://127.0.0.1:10248/healthz"), files)


def coredns(paths: Paths, tools: Tools) -> Component:
    config = paths.config / "Corefile"
    argv = (str(tools["coredns"]), "-conf", str(config))
    return Component(
        "coredns", argv, probes.answers(f"http://{configs.COREDNS_READY}/ready"), {config: configs.coredns(paths)}
    )


def volume_provisioner(paths: Paths, tools: Tools) -> Component:
    argv = (
        str(tools["volume-provisioner"]),
        f"--kubeconfig={paths.kubeconfig}",
        f"--name={configs.VOLUME_PROVISIONER}",
        f"--root={paths.volumes}",
    )
    return Component("volume-provisioner", argv)


def metrics_server(paths: Paths, tools: Tools) -> Component:
    certificate = paths.pki / "metrics-server"
    argv = (
        str(tools["metrics-server"]),
        f"--kubeconfig={paths.kubeconfig}",
        f"--bind-address={NODE_IP}",
        f"--secure-port={configs.METRICS_PORT}",
        f"--tls-cert-file={certificate}.crt",
        f"--tls-private-key-file={certificate}.key",
    )
    healthy = probes.answers(f"https://{NODE_IP}:{configs.METRICS_PORT}/livez", paths.ca_certificate)
    return Component("metrics-server", argv, healthy)


def discovery(paths: Paths) -> Component:
    argv = (
        sys.executable,
        str(Path(__file__).with_name("discovery.py")),
        f"--listen={configs.DISCOVERY}",
        f"--server=https://{NODE_IP}:6443",
        f"--authority={paths.ca_certificate}",
        f"--certificate={paths.pki / 'admin.crt'}",
        f"--key={paths.pki / 'admin.key'}",
    )
    return Component("prometheus-discovery", argv, probes.answers(f"http://{configs.DISCOVERY}/"))


def prometheus(paths: Paths) -> Component:
    config = paths.config / "prometheus.yml"
    argv = (
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={paths.cluster / 'prometheus'}",
        f"--web.listen-address={configs.PROMETHEUS}",
    )
    return Component(
        "prometheus", argv, probes.answers(f"http://{configs.PROMETHEUS}/-/ready"), {config: configs.prometheus()}
    )


def traefik(paths: Paths, tools: Tools) -> Component:
    argv = (
        # There is no flag for it.
        "env",
        f"KUBECONFIG={paths.kubeconfig}",
        str(tools["traefik"]),
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.statusaddress.ip={configs.GATEWAY.partition(':')[0]}",
        # A change waits so long for the one before it. The default, 2 s, would keep an ended pod in the route.
        "--providers.providersthrottleduration=100ms",
        f"--entrypoints.http.address={configs.GATEWAY}",
        f"--entrypoints.traefik.address={configs.GATEWAY_PING}",
        "--ping=true",
        "--global.checknewversion=false",
    )
    return Component("traefik", argv, probes.answers(f"http://{configs.GATEWAY_PING}/ping"))


def kuberay(paths: Paths, tools: Tools) -> Component:
    argv = (
        # There is no flag for it.
        "env",
        f"KUBECONFIG={paths.kubeconfig}",
        str(tools["ray-operator"]),
        "--enable-leader-election=false",
        # As no pod, it knows no names of Services.
        "--use-kubernetes-proxy",
        "--metrics-addr=0",
        f"--health-probe-bind-address={configs.KUBERAY}",
    )
    return Component("kuberay", argv, probes.answers(f"http://{configs.KUBERAY}/readyz"))


def all_of_them(paths: Paths, tools: Tools, shell_image: str) -> list[list[Component]]:
    """Every component, in the groups in which they start: each group needs those before it, the last the addons."""
    return [
        [registry(paths)],
        [etcd(paths), containerd(paths, shell_image)],
        [apiserver(paths, tools)],
        [
            controller_manager(paths, tools),
            scheduler(paths, tools),
            kube_proxy(paths, tools),
            kubelet(paths, tools),
            coredns(paths, tools),
            volume_provisioner(paths, tools),
            metrics_server(paths, tools),
            discovery(paths),
            prometheus(paths),
        ],
        [traefik(paths, tools)],
    ]
