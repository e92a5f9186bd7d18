"""What is ours in the kernel's tables, and what is not."""

from pathlib import Path

import pytest

from devcluster import leftovers, network

IPTABLES = """\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:DOCKER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-X
COMMIT
*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -i afina0 ! -o afina0 -j REJECT --reject-with icmp-port-unreachable
-A FORWARD -i docker0 -j ACCEPT
COMMIT
"""


def test_only_rules_of_kubernetes_and_of_our_bridge_go() -> None:
    assert network.without_ours(IPTABLES.splitlines()) == [
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        ":DOCKER - [0:0]",
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "COMMIT",
        "*filter",
        ":FORWARD ACCEPT [0:0]",
        "-A FORWARD -i docker0 -j ACCEPT",
        "COMMIT",
    ]


def test_rules_without_ours_are_left_as_they_are() -> None:
    kept = network.without_ours(IPTABLES.splitlines())
    assert network.without_ours(kept) == kept


def a_mount(point: str) -> str:
    return f"36 35 98:0 / {point} rw,noatime shared:1 - ext4 /dev/root rw"


MOUNTS = {
    "deepest first": (["/c/kubelet", "/c/kubelet/pods/a/volume"], ["/c/kubelet/pods/a/volume", "/c/kubelet"]),
    "the folder itself": (["/c"], ["/c"]),
    "not its neighbours": (["/c-other/x", "/", "/proc", "/var/c/x"], []),
    "spaces are escaped": ([r"/c/with\\040space".replace("\\\\", "\\")], ["/c/with space"]),
}


@pytest.mark.parametrize(("points", "below"), MOUNTS.values(), ids=MOUNTS.keys())
def test_mounts_below_a_folder(points: list[str], below: list[str]) -> None:
    assert leftovers.mounts_below(map(a_mount, points), [Path("/c")]) == below
