"""A real PostgreSQL on this machine, empty at first and gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.servers import free_port

_UNPRIVILEGED = "postgres"
_PASSWORD = "not-a-secret"  # noqa: S105


@dataclass(frozen=True)
class PostgresqlServer:
    """A server that runs."""

    place: str
    """Who may use it and where it answers, as an URL has it: user:password@host:port/database."""
    _control: tuple[str | Path, ...]

    def restart(self) -> None:
        """Kill it and start it again."""
        _run(*self._control, "-m", "immediate", "restart")


@contextmanager
def postgresql_server(address: str = "127.0.0.1") -> Iterator[PostgresqlServer]:
    """Start a server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.exit("PostgreSQL is not installed: apt-get install --no-install-recommends postgresql-15", returncode=1)
    with tempfile.TemporaryDirectory(prefix="afina-test-") as name:
        folder = Path(name)
        data, port, password = folder / "data", free_port(address), folder / "password"
        password.write_text(_PASSWORD)
        shutil.chown(folder, _UNPRIVILEGED)
        _run(found[-1], "--auth=scram-sha-256", f"--pwfile={password}", "--username=afina", "--no-sync", "-D", data)
        with (data / "pg_hba.conf").open("a") as hosts:
            hosts.write("host all all samenet scram-sha-256\n")
        options = f"-p {port} -c listen_addresses={address} -k {folder}"
        control = (found[-1].with_name("pg_ctl"), "-D", data, "-l", folder / "log", "-w")
        _run(*control, "-o", options, "start")
        try:
            yield PostgresqlServer(f"afina:{_PASSWORD}@{address}:{port}/postgres", control)
        finally:
            _run(*control, "-m", "immediate", "stop")


def _run(*command: str | Path) -> None:
    """Run a command as a user without rights: PostgreSQL refuses root."""
    prefix = ["runuser", "-u", _UNPRIVILEGED, "--"] if os.geteuid() == 0 else []
    environment = os.environ | {"PGPASSWORD": _PASSWORD}
    subprocess.run([*prefix, *map(str, command)], check=True, cwd="/", env=environment, stdout=subprocess.DEVNULL)
