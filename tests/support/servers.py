"""Servers that tests start, take away and bring back."""

import os
import random
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import psutil

from support.searches import wait_for


class MlflowServer:
    """An MLflow server that tests may take away and bring back."""

    def __init__(
        self,
        python: Path,
        folder: Path,
        *,
        store: str = "",
        artifacts: str = "",
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Of a database and files in a folder, where nothing else is said.

        Args:
            python: of an environment with the whole of MLflow.
            folder: for its log, too.
            store: URL of its database.
            artifacts: URL of its files.
            env: further variables.
        """
        self._python = python
        self._folder = folder
        self._store = store or f"sqlite:///{folder}/mlflow.db"
        self._artifacts = artifacts or str(folder)
        self._env = env
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, with the data that it had."""
        command = [
            str(self._python),
            "-m",
            "mlflow",
            "server",
            "--host=127.0.0.1",
            f"--port={self._port}",
            "--workers=1",
        ]
        command += [
            f"--backend-store-uri={self._store}",
            f"--artifacts-destination={self._artifacts}",
        ]
        env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        env |= self._env
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        wait_for(self._answers)

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 200)
        except OSError:
            return False


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody uses now, and that the kernel gives to none of those who connect to something meanwhile."""
    while True:
        port = random.SystemRandom().randrange(20_000, 30_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind((address, port))
            return port


def process_tree(pid: int) -> list[psutil.Process]:
    """A process, and all that it has started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]
