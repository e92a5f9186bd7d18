"""A real API server with a real etcd behind it, and nothing else: no node, no controllers, no garbage collection.

What these tests see is the API server's own behaviour: validation, server-side apply, preconditions, watches.
"""

import base64
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import httpx2
import pytest

from afina_api.crd import KINDS, crd
from afina_api.policy import policies
from kubereads import Reads
from support.order import begin_with
from support.servers import free_port
from support.specs import GOOD, REFUSED, changed

_DEV = Path(__file__).resolve().parents[2] / "dev"
_TOKENS = """\
token-of-admin,admin,admin,"system:masters"
token-of-operator,operator,operator
"""
_READY_SECONDS = 60

_LONG = ("test_process", "test_raytune_checkpoints", "test_automl_registry", "test_mlflow", "test_raytune")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The modules that take longest come first, so that none of them is left alone at the end."""
    begin_with(_LONG, items)


class ControlPlane:
    """An etcd and an API server of our own, which tests may kill and bring back."""

    def __init__(self, folder: Path, apiserver: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.kubeconfig = folder / "kubeconfig"
        """Of an administrator."""
        self.operator_kubeconfig = folder / "operator.kubeconfig"
        """Of a user who may do nothing until a test grants it."""
        self._apiserver_binary = apiserver
        self._etcd_ports = free_port(), free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start both, and return when the API server is ready and knows Afina's kinds."""
        key = self.folder / "service-account.key"
        command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)]
        subprocess.run(command, check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(_TOKENS)
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        self._run(
            "etcd",
            [
                "etcd",
                f"--data-dir={self.folder / 'etcd'}",
                "--log-level=error",
                "--logger=zap",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
        )
        self.start_apiserver()
        self._write_kubeconfig("admin", self.kubeconfig)
        self._write_kubeconfig("operator", self.operator_kubeconfig)
        self.wait_until_ready()
        self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(_list(crd(kind) for kind in KINDS)))
        self.kubectl("wait", "--for=condition=Established", "--all", "crd", "--timeout=30s")
        self.apply_policies()

    def start_apiserver(self) -> None:
        """Start the API server; its certificate and data are those it had before, if it ran before."""
        key = self.folder / "service-account.key"
        self._run(
            "kube-apiserver",
            [
                self._apiserver_binary,
                f"--etcd-servers=http://127.0.0.1:{self._etcd_ports[0]}",
                f"--cert-dir={self.folder / 'certificates'}",
                f"--secure-port={self.port}",
                "--bind-address=127.0.0.1",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.97.0.0/24",
                # Nothing makes default service accounts here, and no pod runs.
                "--disable-admission-plugins=ServiceAccount",
                "--endpoint-reconciler-type=none",
            ],
        )

    def kill_apiserver(self) -> None:
        """End the API server as a power cut would."""
        process = self._processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def wait_until_ready(self) -> None:
        """Return when the API server says that it is ready."""
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                context = ssl.create_default_context(cafile=str(self._certificate))
                urllib.request.urlopen(f"https://127.0.0.1:{self.port}/readyz", context=context, timeout=2)
            except (OSError, urllib.error.URLError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def apply_policies(self) -> None:
        """Install the admission policies, and wait: the API server reads them in its own time."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(_list(policies().values())))
        bad = json.dumps(changed(GOOD, REFUSED["placeholder of no parameter"].changes))
        deadline = time.monotonic() + _READY_SECONDS
        while "NAME" not in self._kubectl("create", "--dry-run=server", "-f", "-", stdin=bad).stderr:
            assert time.monotonic() < deadline, "the policy of TuningJobs refuses nothing"
            time.sleep(0.2)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator and return what it prints."""
        done = self._kubectl(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @cached_property
    def reads(self) -> Reads:
        """Objects, as administrator."""
        return Reads(["kubectl", f"--kubeconfig={self.kubeconfig}"], os.environ)

    def client(self) -> httpx2.Client:
        """A client of the API server, as administrator."""
        context = ssl.create_default_context(cafile=str(self._certificate))
        token = {"Authorization": "Bearer token-of-admin"}
        return httpx2.Client(base_url=f"https://127.0.0.1:{self.port}", headers=token, verify=context, timeout=60)

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=60)

    def stop(self) -> None:
        """End both."""
        for process in reversed(self._processes.values()):
            process.kill()
            process.wait()

    @property
    def _certificate(self) -> Path:
        return self.folder / "certificates" / "apiserver.crt"

    def _run(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            # It ends with the test run, however that ends.
            tied = ["setpriv", "--pdeathsig", "KILL", *command]
            self._processes[name] = subprocess.Popen(tied, stdout=log, stderr=log, env={"GOGC": "300"} | os.environ)

    def _write_kubeconfig(self, user: str, path: Path) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not self._certificate.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        authority = base64.b64encode(self._certificate.read_bytes()).decode()
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": authority}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": f"token-of-{user}"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(content))


def _list(items: Iterable[object]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def _apiserver_binary() -> str:
    command = [sys.executable, "-m", "devcluster", "tool-path", "kube-apiserver"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(_DEV)}, text=True, capture_output=True)
    if done.returncode:
        pytest.exit(f"the API server is not built, `make up` builds it: {done.stdout}{done.stderr}", returncode=1)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """An API server that other tests use too: leave it running and ready."""
    with tempfile.TemporaryDirectory(prefix="afina-test-") as folder:
        plane = ControlPlane(Path(folder), _apiserver_binary())
        try:
            plane.start()
            yield plane
        finally:
            plane.stop()


@pytest.fixture(scope="session")
def apiserver(control_plane: ControlPlane) -> Path:
    """The path of a kubeconfig of an administrator, with Afina's CRDs installed."""
    return control_plane.kubeconfig
