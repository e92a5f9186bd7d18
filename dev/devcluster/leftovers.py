"""What containers leave behind when nobody is there to tidy: processes, mounts, control groups, old containers."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from devcluster import probes, processes
from devcluster.console import DevClusterError, run_quiet
from devcluster.paths import Paths
from devcluster.processes import Component

_CGROUPS = Path("/sys/fs/cgroup")
# Removed when empty; children first.
_STRAY_FOLDERS = (
    "/var/log/containers",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/run/containerd/s",
    "/run/containerd",
)


def end_containers(paths: Paths) -> None:
    """Kill every process of a pod, and the shims that hold them."""
    for pid in {*_pod_processes(), *_shims(paths)}:
        if (started := processes.start_ticks(pid)) is not None:
            processes.kill(pid, started, grace_seconds=0)


def unmount(paths: Paths) -> None:
    """Unmount everything below the cluster's folder and containerd's, deepest first.

    Raises DevClusterError when something stays: deleting below a live mount would delete what is mounted.
    """
    for point in _our_mounts(paths):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    if left := _our_mounts(paths):
        raise DevClusterError(f"still mounted: {', '.join(left)}")


def mounts_below(mountinfo: Iterable[str], folders: list[Path]) -> list[str]:
    """The mount points of a mountinfo that lie below one of the folders, deepest first."""
    points = [line.split()[4].encode().decode("unicode_escape") for line in mountinfo]
    below = [point for point in points if any(Path(point).is_relative_to(folder) for folder in folders)]
    return sorted(below, key=len, reverse=True)


def remove_cgroups() -> None:
    for group in _pod_cgroups():
        # Children come first; a group that is busy for a moment longer is no harm.
        for folder in sorted(group.rglob("*"), key=lambda path: len(path.parts), reverse=True):
            if folder.is_dir():
                _rmdir(folder)
        _rmdir(group)


def forget_containers(containerd: Component, paths: Paths) -> None:
    """Remove containers and their writable layers from containerd's books; the images stay."""
    if not paths.containerd.exists():
        return
    processes.ensure([containerd], paths)
    ctr = ["ctr", f"--address={paths.containerd_socket}", "--namespace=k8s.io", "containers"]
    if containers := run_quiet([*ctr, "list", "--quiet"]).split():
        run_quiet([*ctr, "delete", *containers])
    processes.stop(containerd.name, paths)
    for kind in ("containers", "sandboxes"):
        shutil.rmtree(paths.containerd / "io.containerd.grpc.v1.cri" / kind, ignore_errors=True)


def remove_strays(paths: Paths) -> None:
    """Remove what containerd, the CNI plugins and the kubelet keep in folders that no setting moves."""
    for link in Path("/var/log/containers").glob("*"):
        if link.is_symlink() and Path(os.readlink(link)).is_relative_to(paths.cluster):
            link.unlink()
    for result in Path("/var/lib/cni/results").glob("*"):
        if str(paths.cluster) in result.read_text():
            result.unlink()
    for socket in [*Path("/run/containerd/s").glob("*"), Path("/var/lib/kubelet/device-plugins/kubelet.sock")]:
        # Somebody else's containerd keeps its sockets there too, and answers.
        if socket.exists() and not probes.listens(socket)():
            socket.unlink()
    for folder in _STRAY_FOLDERS:
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _our_mounts(paths: Paths) -> list[str]:
    return mounts_below(Path("/proc/self/mountinfo").read_text().splitlines(), [paths.cluster, paths.containerd])


def _pod_cgroups() -> list[Path]:
    return [
        group for pattern in ("kubepods", "*/kubepods") for group in _CGROUPS.glob(pattern) if not group.is_symlink()
    ]


def _pod_processes() -> Iterator[int]:
    for group in _pod_cgroups():
        for file in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, file.read_text().split())


def _shims(paths: Paths) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            argv = (folder / "cmdline").read_text().split("\0")
            if "containerd-shim" in argv[0] and str(paths.containerd_socket) in argv:
                yield int(folder.name)


def _rmdir(folder: Path) -> None:
    for _ in range(20):
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.1)
