"""The cluster at hand, for the demo and the e2e tests: its tools, its images, and how Afina is installed there."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

from kubereads import Json, ReadError, Reads

CHECKOUT = Path(__file__).resolve().parents[1]
CHART = CHECKOUT / "charts" / "afina"
MANIFESTS = CHECKOUT / "manifests"
RELEASE = "afina"
NAMESPACE = "afina"

Found = TypeVar("Found")


class KubeError(Exception):
    """A command failed; the message holds what it said."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster: the dev cluster, or the one that KUBECONFIG and AFINA_REGISTRY name."""

    kubeconfig: str
    programs: Mapping[str, str]
    """Paths of kubectl and helm."""
    images: Mapping[str, str]
    """References of the images, by name."""

    @classmethod
    def at_hand(cls) -> Self:
        """Find it, and see that it answers.

        Raises:
            KubeError: there is none, or it does not answer; the message says what to do.
        """
        cluster = cls(
            kubeconfig=_devcluster("kubeconfig"),
            programs={name: _program(name) for name in ("kubectl", "helm")},
            images=json.loads(_devcluster("image-refs")),
        )
        try:
            cluster.kubectl("get", "--raw", "/readyz")
        except KubeError as error:
            raise KubeError(f"no cluster answers at {cluster.kubeconfig}: start one with `make up`\n{error}") from None
        return cluster

    def kubectl(self, *arguments: str, namespace: str = "", stdin: str | None = None, timeout: float = 120) -> str:
        """What kubectl prints. Raises KubeError where it fails or takes longer than `timeout` seconds."""
        scope = [f"--namespace={namespace}"] if namespace else []
        return self._run("kubectl", [*scope, *arguments], stdin, timeout)

    def helm(self, *arguments: str, timeout: float = 400) -> str:
        """What helm prints. Raises KubeError."""
        return self._run("helm", list(arguments), None, timeout)

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """An object, or None if there is none."""
        try:
            return self._reads.get(kind, name, namespace)
        except ReadError as error:
            raise KubeError(str(error)) from error

    def items(self, kinds: str, namespace: str = "", selector: str = "") -> list[Json]:
        """The objects of some kinds, comma-separated, that a label selector selects."""
        try:
            return [one for kind in kinds.split(",") for one in self._reads.items(kind, namespace, selector)]
        except ReadError as error:
            raise KubeError(str(error)) from error

    def apply(self, *objects: Json, namespace: str = "") -> None:
        """Apply objects, in this order. Raises KubeError with the server's words where one is refused."""
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "-f", "-", namespace=namespace, stdin=document)

    def make_namespace(self, name: str) -> None:
        """Make a namespace whose pods must fit the restricted Pod Security level, or have it so."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def install(self, *options: str) -> str:
        """Install or upgrade the release `afina` from the checkout and wait until it is ready; what helm prints."""
        self.make_namespace(NAMESPACE)
        chart = ["upgrade", "--install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--wait", "--timeout=5m"]
        return self.helm(*chart, *self.image_values(), *options)

    def image_values(self) -> list[str]:
        """Helm's options that name the images."""
        names = {name: name for name in ("operator", "runtime", "torchserve", "mlflow")} | {
            "runtimeTorch": "runtime-torch"
        }
        return [f"--set-string=image.{value}={self.images[image]}" for value, image in names.items()]

    @cached_property
    def _reads(self) -> Reads:
        return Reads(self._argv("kubectl"), _environment())

    def _argv(self, program: str) -> list[str]:
        return [self.programs[program], f"--kubeconfig={self.kubeconfig}"]

    def _run(self, program: str, arguments: list[str], stdin: str | None, timeout: float) -> str:
        argv, environment = [*self._argv(program), *arguments], _environment()
        try:
            done = subprocess.run(
                argv, input=stdin, env=environment, capture_output=True, text=True, check=False, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise KubeError(f"{program} {' '.join(arguments)}: no end after {timeout:.0f} s") from None
        if done.returncode != 0:
            raise KubeError(f"{program} {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def wait_until(look: Callable[[], Found], what: str, seconds: float, every: float = 1.0) -> Found:
    """The first true thing that `look` returns.

    Raises:
        KubeError: none came in so many seconds; the message says what was waited for and what was seen last.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise KubeError(f"not seen within {seconds:.0f} s: {what}; last: {found!r}")
        time.sleep(every)
    return found


def _environment() -> dict[str, str]:
    """The development machine's proxy, if any, does not lead to the cluster."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def _program(name: str) -> str:
    """The dev cluster's own program, else the one on the PATH."""
    try:
        return _devcluster("tool-path", name)
    except KubeError:
        if found := shutil.which(name):
            return found
        raise


def _devcluster(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "dev")}
    argv = [sys.executable, "-m", "devcluster", *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KubeError((done.stdout + done.stderr).strip())
    return done.stdout.strip()
