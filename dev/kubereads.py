"""Reads of the API server through one `kubectl proxy`: a process of kubectl for each costs twenty times as much."""

import atexit
import http.client
import json
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ReadError(Exception):
    """The API server, or the way to it, says no; the message holds its words."""


@dataclass(frozen=True)
class _Kind:
    kind: str
    api: str
    plural: str
    is_namespaced: bool

    def path(self, namespace: str) -> str:
        within = f"/namespaces/{namespace or 'default'}" if self.is_namespaced else ""
        return f"{self.api}{within}/{self.plural}"


class Reads:
    """Objects by the names of kinds that kubectl takes: `pods`, `tuningjob`, `mldep`."""

    def __init__(self, kubectl: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the proxy; it ends with this process. Raises ReadError.

        Args:
            kubectl: the program and the options that say which cluster.
            environment: of the program.
        """
        folder = tempfile.TemporaryDirectory(prefix="afina-")
        self._socket = f"{folder.name}/proxy"
        argv = [*kubectl, "proxy", f"--unix-socket={self._socket}"]
        proxy = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE)
        atexit.register(folder.cleanup)
        atexit.register(proxy.kill)
        if proxy.stdout is None or not proxy.stdout.readline():
            raise ReadError(f"{' '.join(argv)} has ended with {proxy.wait()}")
        self._kinds: dict[str, _Kind] = {}

    def get(self, kind: str, name: str, namespace: str) -> Json | None:
        """An object, or None if there is none. Raises ReadError."""
        return self._read(self.path(kind, name, namespace))

    def items(self, kind: str, namespace: str, selector: str) -> list[Json]:
        """The objects that a label selector selects. Raises ReadError."""
        known = self._kind(kind)
        found = self._read(f"{known.path(namespace)}?labelSelector={quote(selector)}")
        if found is None:
            raise ReadError(f"there are no {known.plural} any more")
        return [{"apiVersion": found["apiVersion"], "kind": known.kind, **item} for item in found["items"]]

    def path(self, kind: str, name: str, namespace: str) -> str:
        """Where the API server has it. Raises ReadError."""
        return f"{self._kind(kind).path(namespace)}/{name}"

    def _kind(self, name: str) -> _Kind:
        if name not in self._kinds:  # or it is new
            self._kinds = self._discovered()
        if name not in self._kinds:
            raise ReadError(f"the server has no resource {name!r}")
        return self._kinds[name]

    def _discovered(self) -> dict[str, _Kind]:
        found: dict[str, _Kind] = {}
        for root in ("/api", "/apis"):
            for group in (self._read(root, _DISCOVERY) or {})["items"]:
                name = group["metadata"].get("name")
                for version in group["versions"]:
                    api = "/".join(filter(None, (root, name, version["version"])))
                    for one in version["resources"]:
                        known = _Kind(one["responseKind"]["kind"], api, one["resource"], one["scope"] == "Namespaced")
                        for word in (one["resource"], one["singularResource"], *one.get("shortNames", ())):
                            found.setdefault(word, known)
        return found

    def _read(self, path: str, accept: str = "application/json") -> Json | None:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self._socket)
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ReadError(f"kubectl proxy: {error!r}") from error
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        if answer.status != http.HTTPStatus.OK:
            raise ReadError(f"{path}: {answer.status}: {content.decode(errors='replace')}")
        return dict(json.loads(content))
