"""Where things live: one root outside the checkout, split by what `down` may delete."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.console import DevClusterError

CHECKOUT = Path(__file__).resolve().parents[2]

# Unix socket paths hold 107 bytes; the kubelet's plugin sockets need the rest of them.
_LONGEST_ROOT = 50


@dataclass(frozen=True)
class Paths:
    """The cache root and its parts. `cluster` is disposable; everything else is kept between clusters."""

    root: Path

    @property
    def tools(self) -> Path:
        return self.root / "tools"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd"

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def containerd_state(self) -> Path:
        return self.cluster / "containerd"

    @property
    def containerd_socket(self) -> Path:
        return self.containerd_state / "containerd.sock"

    @property
    def pki(self) -> Path:
        return self.cluster / "pki"

    @property
    def config(self) -> Path:
        return self.cluster / "config"

    @property
    def volumes(self) -> Path:
        return self.cluster / "volumes"

    @property
    def kubeconfig(self) -> Path:
        return self.cluster / "admin.kubeconfig"

    @property
    def ca_certificate(self) -> Path:
        return self.pki / "ca.crt"


def find_paths(environ: Mapping[str, str]) -> Paths:
    """The paths under $AFINA_CACHE, else $XDG_CACHE_HOME/afina, else ~/.cache/afina.

    Raises DevClusterError when the root is too long for the sockets below it.
    """
    base = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/root"), ".cache")
    root = Path(environ.get("AFINA_CACHE") or os.path.join(base, "afina")).absolute()
    if len(str(root)) > _LONGEST_ROOT:
        raise DevClusterError(
            f"the cache folder {root} has {len(str(root))} characters, {_LONGEST_ROOT} are possible: "
            "set AFINA_CACHE to a shorter path"
        )
    return Paths(root)
