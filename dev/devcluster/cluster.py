"""The cluster as a whole: up, down, status."""

import shutil

from devcluster import addons, certificates, components, images, leftovers, network, processes, tools
from devcluster.builder import Builder
from devcluster.configs import REGISTRY
from devcluster.console import DevClusterError, Timeline
from devcluster.images import BUSYBOX
from devcluster.paths import CHECKOUT, Paths
from devcluster.processes import Component

# While none of these lives there is no cluster, only what is left of one.
_CORE = ("etcd", "kube-apiserver", "kubelet")


def up(paths: Paths, timeline: Timeline, *, kuberay: bool = False) -> None:
    """Bring the cluster up from whatever is there: nothing, leftovers, some of it, all of it.

    With KubeRay, if it is asked for or was in this cluster before.

    Raises DevClusterError when something does not start, or a cluster of another cache is up.
    """
    refuse_anothers(paths)
    with timeline.phase("tools"):
        built = tools.build(components.TOOLS, paths)
    if not is_up(paths):
        with timeline.phase("leftovers of an earlier cluster"):
            down(paths)
    kuberay = kuberay or has_kuberay(paths)
    with timeline.phase("certificates and network"):
        certificates.make(paths)
        network.up(paths)
    registry, *groups, gateway = _components(paths)
    with timeline.phase("registry and the shell image"):
        processes.ensure(registry, paths)
        Builder(paths, REGISTRY).build([BUSYBOX])
    with timeline.phase("control plane and node"):
        for group in groups:
            processes.ensure(group, paths)
        addons.apply(built, paths)
    with timeline.phase("gateway"):
        processes.ensure(gateway, paths)
    if kuberay:
        with timeline.phase("KubeRay"):
            built |= tools.build(components.KUBERAY_TOOLS, paths)
            addons.apply_kuberay(built, paths)
            processes.ensure([components.kuberay(paths, built)], paths)


def down(paths: Paths) -> None:
    """End every process and remove every trace in the kernel, and the cluster's state. Programs and images stay.

    Raises DevClusterError when the cluster that is up belongs to another cache.
    """
    refuse_anothers(paths)
    if not paths.cluster.exists() and network.owner() is None:
        return
    processes.stop_all(paths)
    leftovers.end_containers(paths)
    leftovers.unmount(paths)
    leftovers.forget_containers(components.containerd(paths, pause_image=""), paths)
    leftovers.unmount(paths)
    leftovers.remove_cgroups()
    leftovers.remove_strays(paths)
    network.down(paths)
    if paths.cluster.exists():
        shutil.rmtree(paths.cluster)


def is_up(paths: Paths) -> bool:
    return any(processes.find(name, paths) for name in _CORE)


def has_kuberay(paths: Paths) -> bool:
    return processes.was_started("kuberay", paths)


def refuse_anothers(paths: Paths) -> None:
    """Raise DevClusterError when the cluster of another cache is up: it has our ports and our bridge."""
    if (owner := network.owner()) not in (None, paths.root):
        raise DevClusterError(f"the cluster of {owner} is up: take it down first, with AFINA_CACHE={owner}")


def status(paths: Paths) -> bool:
    """Print how each component is; True when all are healthy and the node is ready."""
    known = [component for group in _components(paths) for component in group]
    if has_kuberay(paths):
        known.append(components.kuberay(paths, tools.locate(components.KUBERAY_TOOLS, paths)))
    states = {component.name: _state(component, paths) for component in known}
    kubectl = tools.locate(["kubectl"], paths)["kubectl"]
    states["node"] = "ready" if kubectl.exists() and addons.node_is_ready(kubectl, paths) else "not ready"
    for name, state in states.items():
        print(f"  {name:25} {state}")
    return all(state in ("healthy", "ready") for state in states.values())


def _components(paths: Paths) -> list[list[Component]]:
    shell = images.references(CHECKOUT, REGISTRY)[BUSYBOX.name]
    return components.all_of_them(paths, tools.locate(components.TOOLS, paths), shell)


def _state(component: Component, paths: Paths) -> str:
    if processes.find(component.name, paths) is None:
        return "not running"
    return "healthy" if component.healthy() else "not healthy"
