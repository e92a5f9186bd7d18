"""The cluster's network: one bridge, whose address is the node's, and nothing that leads off the machine."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from devcluster.console import run_quiet
from devcluster.paths import Paths

NODE_NAME = "dev"
NODE_IP = "10.244.0.1"
BRIDGE = "afina0"
POD_RANGE = "10.244.0.0/16"
NODE_POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"

# Without an address of its own a bridge takes a port's, and changes it as pods come and go.
_BRIDGE_MAC = "02:af:14:a0:00:01"

_ALIAS = Path("/sys/class/net", BRIDGE, "ifalias")

# What we and the kubelet and kube-proxy change; `down` puts the old values back.
_SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_PROC_SYS = Path("/proc/sys")

# Pods have no business outside; a refusal ends their attempts at once.
_FENCE = ("FORWARD", "-i", BRIDGE, "!", "-o", BRIDGE, "-j", "REJECT")


def up(paths: Paths) -> None:
    """Make the bridge, the routes, the fence and the kernel settings; what is there already stays."""
    _save_sysctls(paths)
    if owner() is None:
        run_quiet(["ip", "link", "add", BRIDGE, "address", _BRIDGE_MAC, "type", "bridge"])
        run_quiet(["ip", "link", "set", BRIDGE, "alias", str(paths.root)])
    run_quiet(["ip", "address", "replace", f"{NODE_IP}/24", "dev", BRIDGE])
    run_quiet(["ip", "link", "set", BRIDGE, "up"])
    # kube-proxy catches what is sent to a service; what has no service dies on the bridge.
    run_quiet(["ip", "route", "replace", SERVICE_RANGE, "dev", BRIDGE])
    run_quiet(["ip", "route", "replace", "blackhole", POD_RANGE])
    subprocess.run(["modprobe", "br_netfilter"], capture_output=True, check=False)
    for name in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        (_PROC_SYS / name).write_text("1")
    if subprocess.run(["iptables", "-w", "-C", *_FENCE], capture_output=True, check=False).returncode != 0:
        run_quiet(["iptables", "-w", "-I", *_FENCE])


def down(paths: Paths) -> None:
    """Remove what `up`, the kubelet and kube-proxy left in the kernel."""
    for family in ("iptables", "ip6tables"):
        _clean_iptables(family)
    subprocess.run(["ip", "route", "del", "blackhole", POD_RANGE], capture_output=True, check=False)
    subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
    _restore_sysctls(paths)


def owner() -> Path | None:
    """The cache root of the cluster whose bridge this is; None when there is none."""
    return Path(_ALIAS.read_text().strip()) if _ALIAS.exists() else None


def without_ours(saved: Iterable[str]) -> list[str]:
    """The lines of an iptables-save that neither belong to Kubernetes nor name our bridge."""
    return [line for line in saved if "KUBE-" not in line and BRIDGE not in line]


def _clean_iptables(family: str) -> None:
    saved = run_quiet([f"{family}-save"]).splitlines()
    kept = without_ours(saved)
    if kept != saved:
        run_quiet([f"{family}-restore", "-w"], stdin="\n".join(kept) + "\n")


def _save_sysctls(paths: Paths) -> None:
    folder = paths.cluster / "sysctls"
    if folder.exists():
        return
    folder.mkdir(parents=True)
    for name in _SYSCTLS:
        if (_PROC_SYS / name).exists():
            (folder / name.replace("/", "@")).write_text((_PROC_SYS / name).read_text())


def _restore_sysctls(paths: Paths) -> None:
    for saved in (paths.cluster / "sysctls").glob("*"):
        (_PROC_SYS / saved.name.replace("@", "/")).write_text(saved.read_text())
