"""A real PostgreSQL and a real MLflow server, each started for the tests and ended with them."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.postgresql import postgresql_server
from support.s3 import S3Server
from support.servers import MlflowServer

ROOT = Path(__file__).parents[3]
CACHE = Path(
    os.environ.get("AFINA_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afina"
)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of an empty database."""
    with postgresql_server() as server:
        yield f"postgresql+psycopg://{server.place}"


@pytest.fixture(scope="session")
def mlflow_python() -> Path:
    """The interpreter of an environment with the whole of MLflow, made once for each lock file."""
    lock = ROOT / "requirements" / "mlflow.txt"
    folder = CACHE / "venvs" / f"mlflow-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", folder], check=True)
        install = [sys.executable, "-m", "uv", "pip", "install", "-q", f"--python={python}", "--require-hashes"]
        subprocess.run([*install, "-r", lock], check=True)
        (folder / "complete").touch()
    return python


@pytest.fixture(scope="session")
def mlflow_server(mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server that other tests use too: leave it running."""
    server = MlflowServer(mlflow_python, tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that other tests use too: leave it running, and keep to buckets of your own."""
    with S3Server(tmp_path_factory.mktemp("s3")).serving() as server:
        yield server


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, boto's own too; nobody waits for them."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found
