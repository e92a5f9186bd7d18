"""What the machine must bring: root, Debian packages, disk."""

import os
import shutil
import subprocess
from pathlib import Path

from devcluster.console import DevClusterError, run_logged
from devcluster.paths import Paths

# Package -> a file it brings.
PACKAGES = {
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "busybox-static": "/bin/busybox",
    "buildah": "/usr/bin/buildah",
    "conntrack": "/usr/sbin/conntrack",
    "containerd": "/usr/bin/containerd",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "docker-registry": "/usr/bin/docker-registry",
    "etcd-server": "/usr/bin/etcd",
    "iproute2": "/sbin/ip",
    "iptables": "/usr/sbin/iptables",
    "kmod": "/sbin/modprobe",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "openssl": "/usr/bin/openssl",
    # Not for the cluster: the integration tests keep studies in it.
    "postgresql-15": "/usr/lib/postgresql/15/bin/initdb",
    "prometheus": "/usr/bin/prometheus",
    "runc": "/usr/sbin/runc",
}

# Package -> the service that Debian starts with it.
_SERVICES = {
    "containerd": "containerd",
    "docker-registry": "docker-registry",
    "etcd-server": "etcd",
    "prometheus": "prometheus",
}

_LEAST_FREE_GIB = 10


def missing_packages(packages: dict[str, str]) -> list[str]:
    """The packages whose file is not there, sorted."""
    return sorted(package for package, file in packages.items() if not Path(file).exists())


def require_root() -> None:
    """Raise DevClusterError, with what to install first, unless this is root."""
    if os.geteuid() != 0:
        missing = missing_packages(PACKAGES)
        first = f"as root, run `apt-get install --no-install-recommends {' '.join(missing)}`; then " if missing else ""
        raise DevClusterError(f"the dev cluster makes namespaces, mounts and routes: {first}run this command as root")


def prepare(paths: Paths) -> None:
    """Install the packages that are missing.

    Raises DevClusterError when that needs rights, programs or disk that are not there.
    """
    require_root()
    missing = missing_packages(PACKAGES)
    if missing and shutil.which("apt-get") is None:
        raise DevClusterError(f"not a Debian system; install what these packages bring: {' '.join(missing)}")
    if missing:
        _install(missing, paths)
    _check_disk(paths)


def _install(packages: list[str], paths: Paths) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run_logged("apt-get update", ["apt-get", "update", "-q"], paths.logs / "apt.log", env=env)
    argv = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    run_logged("apt-get install", argv, paths.logs / "apt.log", env=env)
    # The services that came along would hold our ports; a machine without systemd never started them.
    services = [_SERVICES[package] for package in packages if package in _SERVICES]
    if services and Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "disable", "--now", "--quiet", *services], check=False)


def _check_disk(paths: Paths) -> None:
    paths.root.mkdir(parents=True, exist_ok=True)
    free_gib = shutil.disk_usage(paths.root).free / 2**30
    if free_gib < _LEAST_FREE_GIB:
        raise DevClusterError(
            f"{free_gib:.0f} GiB are free under {paths.root}, {_LEAST_FREE_GIB} are needed: "
            "free some, or set AFINA_CACHE to a larger disk"
        )
