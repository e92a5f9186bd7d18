"""The dev cluster's own registry: what it has, and the removal of what a newer image replaced."""

import http.client
import json
from collections.abc import Collection

from devcluster.configs import REGISTRY
from devcluster.console import run_quiet
from devcluster.paths import Paths

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TIMEOUT_SECONDS = 10


def digest(reference: str) -> str | None:
    """The digest of an image of this registry; None when it is not there."""
    repository, _, tag = reference.removeprefix(f"{REGISTRY}/").rpartition(":")
    status, headers, _ = _ask("HEAD", f"/v2/{repository}/manifests/{tag}")
    return headers["Docker-Content-Digest"] if status == http.HTTPStatus.OK else None


def prune(current: Collection[str], used: Collection[str], paths: Paths) -> None:
    """Remove the other tags of the current images' repositories unless used, and the layers that only they had."""
    removed = False
    for reference in current:
        repository = reference.removeprefix(f"{REGISTRY}/").rpartition(":")[0]
        kept = {None, *map(digest, [reference, *used])}
        _, _, body = _ask("GET", f"/v2/{repository}/tags/list")
        for old in json.loads(body)["tags"]:
            # A removal takes every tag of the same content with it.
            if (found := digest(f"{REGISTRY}/{repository}:{old}")) not in kept:
                _ask("DELETE", f"/v2/{repository}/manifests/{found}")
                removed = True
    if removed:
        run_quiet(["docker-registry", "garbage-collect", str(paths.config / "registry.yml")])


def _ask(method: str, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(REGISTRY, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, path, headers={"Accept": _MANIFEST})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
