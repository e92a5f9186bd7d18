"""The images in the node's containerd: fetched before a pod asks for them, removed when a newer one replaced them."""

import re
from collections.abc import Collection
from pathlib import Path

from devcluster import kubectl
from devcluster.configs import REGISTRY
from devcluster.console import run_quiet, say
from devcluster.paths import Paths

_REFERENCE = re.compile(re.escape(REGISTRY) + r"/[a-z0-9./-]+:\w+")


def in_use(binary: Path, paths: Paths) -> set[str]:
    """The images of our registry that the cluster's objects name: to run them, or to give them to jobs later."""
    return named_in(kubectl.run(binary, paths, "get", "pods,jobs,deployments,statefulsets", "-A", "-ojson"))


def named_in(objects: str) -> set[str]:
    """The references to images of our registry in a text."""
    return set(_REFERENCE.findall(objects))


def keep(references: Collection[str], used: Collection[str], paths: Paths) -> None:
    """Fetch these images, and remove others of their repositories that are not used."""
    ctr = ["ctr", f"--address={paths.containerd_socket}", "--namespace=k8s.io"]
    stored = _stored(run_quiet([*ctr, "images", "list"]))
    for reference in sorted(set(references) - stored.keys()):
        say(f"  loading {reference}")
        run_quiet([*ctr, "images", "pull", "--hosts-dir", str(paths.config / "registries"), reference])
    if old := replaced(stored, set(references), set(used)):
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
