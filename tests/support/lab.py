"""The operator as a process against a real API server, and a namespace in which things are done to it."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2

from kubereads import Reads
from support.operating import operating
from support.servers import free_port
from support.specs import GOOD, changed

Json = dict[str, Any]

QUICK_AUDIT = 2.0
"""Seconds between two audits of the watches, instead of 60."""
PATIENCE_SECONDS = 60.0
_QUIET_SECONDS = 0.5


class ControlPlane(Protocol):
    """What these tests use of the API server's fixture."""

    kubeconfig: Path
    operator_kubeconfig: Path

    @property
    def reads(self) -> Reads:
        """Objects, as administrator."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator."""

    def client(self) -> httpx2.Client:
        """A client of the API server, as administrator."""

    def start_apiserver(self) -> None:
        """Start the API server again."""

    def kill_apiserver(self) -> None:
        """End it as a power cut would."""

    def wait_until_ready(self) -> None:
        """Return when it is ready."""

    def apply_policies(self) -> None:
        """Install the admission policies, and return when they count."""


def eventually(what: str, holds: Callable[[], Any], patience: float = PATIENCE_SECONDS) -> Any:
    """Wait until it holds, and return what it returned."""
    deadline = time.monotonic() + patience
    while True:
        if found := holds():
            return found
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        time.sleep(0.1)


class OperatorProcess:
    """One process of the operator."""

    def __init__(self, environment: dict[str, str], log: Path, audit: float) -> None:
        self.port = int(environment["AFINA_PORT"])
        self._log = log
        log.touch()  # it may be read before anything is written
        self._process = operating(environment, log, audit)
        self._process.start()

    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text()

    def probe(self, path: str) -> int:
        """The status of one of its probes; 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with those labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [line for line in lines if line.startswith((name + "{", name + " ")) and all(w in line for w in wanted)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def wait_until_working(self) -> None:
        """Return when it holds the lease."""
        eventually("the operator is ready", lambda: self._is_alive() and self.probe("/readyz") == 200)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid
        os.kill(self._process.pid, number)

    def stop(self) -> int:
        """Tell it to stop, and return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(30)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float) -> int:
        """Its exit code, when it has ended."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, self.log()[-3000:]
        return self._process.exitcode

    def is_alive(self) -> bool:
        """Whether it lives."""
        return self._process.is_alive()

    def _is_alive(self) -> bool:
        assert self.is_alive(), self.log()[-3000:]
        return True


def wait_until_quiet(operator: OperatorProcess) -> None:
    """Return when it has written all that there was to write."""

    def is_quiet() -> bool:
        before = operator.metric("afina_api_writes_total")
        time.sleep(_QUIET_SECONDS)
        return operator.metric("afina_api_writes_total") == before

    eventually("all is written", is_quiet)


def assert_quiet(operator: OperatorProcess, seconds: float = 2 * QUICK_AUDIT) -> None:
    """Once it has written all that there was to write, it writes nothing for a while, its Lease aside."""
    wait_until_quiet(operator)
    before = operator.metric("afina_api_writes_total")
    time.sleep(seconds)
    assert operator.metric("afina_api_writes_total") == before, operator.log()[-2000:]


@dataclass
class Lab:
    """A namespace with its operator, and what is done there."""

    plane: ControlPlane
    api: httpx2.Client
    """As administrator: a process of kubectl for each request would take twenty times as long."""
    namespace: str
    folder: Path
    operators: list[OperatorProcess] = field(default_factory=list)

    def start_operator(self, *, audit: float = QUICK_AUDIT, **environment: str) -> OperatorProcess:
        """Start an operator; it may have to wait for the lease."""
        settings = {
            "KUBECONFIG": str(self.plane.kubeconfig),
            "AFINA_NAMESPACE": self.namespace,
            "AFINA_WATCH_NAMESPACES": self.namespace,
            "AFINA_PORT": str(free_port()),
        }
        log = self.folder / f"operator-{len(self.operators)}.log"
        started = OperatorProcess(settings | environment, log, audit)
        self.operators.append(started)
        return started

    def working_operator(self, *, audit: float = QUICK_AUDIT, **environment: str) -> OperatorProcess:
        """Start an operator, and return when it works."""
        started = self.start_operator(audit=audit, **environment)
        started.wait_until_working()
        return started

    def kubectl(self, *arguments: str, stdin: object = None) -> str:
        """Run kubectl in the namespace."""
        text = json.dumps(stdin) if stdin is not None else None
        return self.plane.kubectl("--namespace", self.namespace, *arguments, stdin=text)

    def apply(self, *objects: Json) -> None:
        """Create or change objects."""
        for one in objects:
            path = self.plane.reads.path(one["kind"].lower(), one["metadata"]["name"], self.namespace)
            how = {"fieldManager": "kubectl", "force": "true", "fieldValidation": "Strict"}
            self._patch(path, "application/apply-patch+yaml", one, how)

    def get(self, kind: str, name: str) -> Json:
        """The object; empty if it is not there."""
        return self.plane.reads.get(kind, name, self.namespace) or {}

    def all(self, kind: str) -> list[Json]:
        """The objects of a kind."""
        return self.plane.reads.items(kind, self.namespace, "")

    def set_status(self, kind: str, name: str, status: Json) -> None:
        """Write a status, as the controller of that kind would."""
        path = f"{self.plane.reads.path(kind, name, self.namespace)}/status"
        self._patch(path, "application/merge-patch+json", {"status": status}, {})

    def _patch(self, path: str, content_type: str, patch: Json, how: dict[str, str]) -> None:
        headers = {"Content-Type": content_type}
        answer = self.api.patch(path, content=json.dumps(patch), headers=headers, params=how)
        assert answer.is_success, answer.text

    def condition(self, name: str, kind: str = "Succeeded") -> Json:
        """A condition of a TuningJob; empty if it is not there."""
        conditions = self.get("tj", name).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def wait_for_reason(self, name: str, reason: str, patience: float = PATIENCE_SECONDS) -> Json:
        """Return the TuningJob's summary condition when it gives that reason."""

        def found() -> Json | None:
            current = self.condition(name)
            return current if current.get("reason") == reason else None

        condition: Json = eventually(f"{name} is {reason}", found, patience)
        return condition

    def wait_for_job(self, name: str) -> None:
        """Return when the Job of that TuningJob is there."""
        eventually(f"the Job of {name}", lambda: self.get("job", f"tj-{name}"))

    def complete_job(self, name: str) -> None:
        """Say, as the Job controller would, that the Job of that TuningJob is complete."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kinds = ("SuccessCriteriaMet", "Complete")
        conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
        times = {"startTime": now, "completionTime": now}
        self.set_status("job", f"tj-{name}", {"succeeded": 1, "conditions": conditions, **times})


def a_job(name: str, **changes: Any) -> Json:
    """A TuningJob; `changes` with `__` for a dot."""
    return changed(GOOD, {"metadata.name": name} | {path.replace("__", "."): one for path, one in changes.items()})
