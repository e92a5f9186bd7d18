"""Talking to the API server, through kubectl."""

from pathlib import Path

from devcluster.console import run_quiet
from devcluster.paths import Paths


def run(binary: Path, paths: Paths, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as the cluster's admin and return what it printed.

    Raises DevClusterError when it fails.
    """
    return run_quiet([str(binary), f"--kubeconfig={paths.kubeconfig}", *arguments], stdin=stdin)
