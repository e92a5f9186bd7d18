"""The cluster's certificates: one authority, elliptic keys, made by openssl in milliseconds."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.console import run_quiet
from devcluster.network import API_SERVICE_IP, NODE_IP, NODE_NAME
from devcluster.paths import Paths

_OPENSSL_CONFIG = """\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class Certificate:
    """A certificate to make: its file name, its subject, and the names it serves under."""

    name: str
    subject: str
    alternative_names: tuple[str, ...] = ()


_KUBERNETES = ["kubernetes" + suffix for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
_SERVER_NAMES = (
    *(f"DNS:{name}" for name in [*_KUBERNETES, "localhost"]),
    f"IP:{API_SERVICE_IP}",
    f"IP:{NODE_IP}",
    "IP:127.0.0.1",
)

CERTIFICATES = (
    Certificate("apiserver", "/CN=kube-apiserver", _SERVER_NAMES),
    Certificate("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    Certificate("etcd", "/CN=etcd", ("IP:127.0.0.1",)),
    # The API server asks for it by the name of its Service.
    Certificate("metrics-server", "/CN=metrics-server", ("DNS:metrics-server.kube-system.svc", f"IP:{NODE_IP}")),
    Certificate("front-proxy-client", "/CN=front-proxy-client"),
    Certificate("admin", "/O=system:masters/CN=admin"),
    Certificate("controller-manager", "/CN=system:kube-controller-manager", ("IP:127.0.0.1",)),
    Certificate("scheduler", "/CN=system:kube-scheduler", ("IP:127.0.0.1",)),
    Certificate("proxy", "/CN=system:kube-proxy"),
    Certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE_NAME}", (f"DNS:{NODE_NAME}", f"IP:{NODE_IP}")),
)

# Who talks to the API server through a kubeconfig of their own.
CLIENTS = ("admin", "controller-manager", "scheduler", "proxy", "kubelet")


def make(paths: Paths) -> None:
    """Make the certificates and kubeconfigs that do not exist yet."""
    paths.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = paths.pki / "openssl.cnf"
    config.write_text(_OPENSSL_CONFIG)
    if not paths.ca_certificate.exists():
        run_quiet([*_request(paths.pki, "ca", "/CN=afina-dev", config), "-extensions", "authority"])
    service_account_key = paths.pki / "service-account.key"
    if not service_account_key.exists():
        run_quiet(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(service_account_key)])
    for certificate in CERTIFICATES:
        if not (paths.pki / f"{certificate.name}.crt").exists():
            run_quiet(_leaf_command(paths.pki, certificate, config))
    for client in CLIENTS:
        _write_private(kubeconfig_path(paths, client), json.dumps(kubeconfig(paths, client)))


def kubeconfig_path(paths: Paths, client: str) -> Path:
    return paths.kubeconfig if client == "admin" else paths.pki / f"{client}.kubeconfig"


def kubeconfig(paths: Paths, client: str) -> Mapping[str, object]:
    """A kubeconfig with the certificates inside, so that one file is all a program needs."""

    def inline(name: str) -> str:
        return base64.b64encode((paths.pki / name).read_bytes()).decode()

    user = {"client-certificate-data": inline(f"{client}.crt"), "client-key-data": inline(f"{client}.key")}
    cluster = {"server": f"https://{NODE_IP}:6443", "certificate-authority-data": inline("ca.crt")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "afina-dev", "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": "afina-dev", "context": {"cluster": "afina-dev", "user": client}}],
        "current-context": "afina-dev",
    }


def _request(pki: Path, name: str, subject: str, config: Path) -> list[str]:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(pki / f"{name}.key")]
    return [
        "openssl",
        "req",
        "-x509",
        "-days",
        "3650",
        "-config",
        str(config),
        "-subj",
        subject,
        *key,
        "-out",
        str(pki / f"{name}.crt"),
    ]


def _leaf_command(pki: Path, certificate: Certificate, config: Path) -> list[str]:
    names = (
        ["-addext", f"subjectAltName={','.join(certificate.alternative_names)}"]
        if certificate.alternative_names
        else []
    )
    signer = ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key")]
    return [*_request(pki, certificate.name, certificate.subject, config), "-extensions", "leaf", *signer, *names]


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
