"""The images in the node's containerd: fetched before a pod asks for them, removed when a newer one replaced them."""

from collections.abc import Collection

from devcluster.configs import REGISTRY
from devcluster.console import run_quiet, say
from devcluster.paths import Paths


def keep(references: Collection[str], paths: Paths) -> None:
    """Fetch these images, and remove others of their repositories that no container uses."""
    ctr = ["ctr", f"--address={paths.containerd_socket}", "--namespace=k8s.io"]
    stored = _stored(run_quiet([*ctr, "images", "list"]))
    for reference in sorted(set(references) - stored.keys()):
        say(f"  loading {reference}")
        run_quiet([*ctr, "images", "pull", "--hosts-dir", str(paths.config / "registries"), reference])
    used = set(run_quiet([*ctr, "containers", "list"]).split())
    if old := replaced(stored, set(references), used):
        run_quiet([*ctr, "images", "remove", *old])


def replaced(stored: dict[str, str], current: set[str], used: set[str]) -> list[str]:
    """The stored names to remove: other tags of the current images' repositories, unless used, and their aliases.

    `stored` is name -> digest. The container runtime keeps each image under further names of the same digest.
    """
    repositories = {reference.rpartition(":")[0] for reference in current}
    ours = {name: digest for name, digest in stored.items() if name.startswith(REGISTRY) and "@" not in name}
    old = {
        digest
        for name, digest in ours.items()
        if name.rpartition(":")[0] in repositories and name not in current | used
    }
    kept = {digest for name, digest in ours.items() if name in current | used}
    return sorted(name for name, digest in stored.items() if digest in old - kept)


def _stored(listing: str) -> dict[str, str]:
    rows = [line.split() for line in listing.splitlines()[1:]]
    return {row[0]: row[2] for row in rows}
