"""Where the API server is and who the operator is: from KUBECONFIG, otherwise from the pod's service account.

One source for both connections: kopf's, which watches, and `cluster`'s, which reads and writes.
"""

import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

import kopf

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REREAD_SECONDS = 60.0


def connection() -> kopf.ConnectionInfo:
    """The connection as it is now; read it again for a fresh token.

    Raises:
        kopf.LoginError: neither a kubeconfig nor a service account is there.
    """
    if os.environ.get("KUBECONFIG"):
        found = kopf.login_with_kubeconfig(settings=kopf.OperatorSettings())
        if found is None:
            raise kopf.LoginError("KUBECONFIG names no usable file")
        return found
    if not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise kopf.LoginError("not in a pod of a cluster: set KUBECONFIG to the path of a kubeconfig")
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return kopf.ConnectionInfo(
        # By address, so that the operator works while the cluster's DNS does not.
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=_SERVICE_ACCOUNT / "ca.crt",
        token=(_SERVICE_ACCOUNT / "token").read_text().strip(),
    )


class Credentials:
    """The connection for a client of ours. The token is read again each minute: the kubelet replaces it."""

    def __init__(self) -> None:
        self._info = connection()
        self._read_at = time.monotonic()

    @property
    def server(self) -> str:
        """URL of the API server, without a slash at its end."""
        return self._info.server.rstrip("/")

    def ssl_context(self) -> ssl.SSLContext:
        """Verifies the API server, and carries the client certificate if there is one."""
        return self._info.as_ssl_context()

    def headers(self) -> Mapping[str, str]:
        """The headers that say who we are."""
        if time.monotonic() - self._read_at > _REREAD_SECONDS:
            self._info, self._read_at = connection(), time.monotonic()
        return self._info.as_http_headers()
