"""A real S3 server on this machine: versitygw over a folder, each bucket a folder and each object a file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.client import Config

from support.searches import wait_for
from support.servers import free_port

_DEV = Path(__file__).resolve().parents[2] / "dev"

KEYS = {"AWS_ACCESS_KEY_ID": "afina-tests", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
"""Of the server's root user."""


class S3Place:
    """Where an S3 server is."""

    def __init__(self, host: str, buckets: Path) -> None:
        self.host = host
        self.buckets = buckets
        """What is written below is an object at once."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}"

    def client(self) -> Any:
        """A client of boto3 that may do everything."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )


class S3Server(S3Place):
    """An S3 server that tests may take away and bring back."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        super().__init__(f"{address}:{free_port(address)}", folder / "buckets")
        self.buckets.mkdir(parents=True)
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Answer for as long as the block lasts."""
        try:
            self.start()
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        """Start it, with the objects that it had."""
        # It ends with the test run, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL", _program(), "--port", self.host, "--quiet"]
        access = ["--access", KEYS["AWS_ACCESS_KEY_ID"], "--secret", KEYS["AWS_SECRET_ACCESS_KEY"]]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([*command, *access, "posix", self.buckets], stdout=log, stderr=log)
        wait_for(self._answers)

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            self.client().list_buckets()
        except Exception:  # whatever boto3 says while nobody listens
            return False
        return True


def _program() -> str:
    command = [sys.executable, "-m", "devcluster", "tool-path", "versitygw"]
    environment = os.environ | {"PYTHONPATH": str(_DEV)}
    return subprocess.run(command, env=environment, check=True, text=True, capture_output=True).stdout.strip()
