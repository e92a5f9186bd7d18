"""A real PostgreSQL on this machine, empty at first and gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.servers import free_port

_UNPRIVILEGED = "postgres"
_PASSWORD = "not-a-secret"  # noqa: S105


@contextmanager
def postgresql_server(address: str = "127.0.0.1") -> Iterator[str]:
    """Who may use it and where it answers, as an URL has it: user:password@host:port/database."""
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
        control = found[-1].with_name("pg_ctl")
        _run(control, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"afina:{_PASSWORD}@{address}:{port}/postgres"
        finally:
            _run(control, "-D", data, "-m", "immediate", "-w", "stop")


def _run(*command: str | Path) -> None:
    """Run a command as a user without rights: PostgreSQL refuses root."""
    prefix = ["runuser", "-u", _UNPRIVILEGED, "--"] if os.geteuid() == 0 else []
    environment = os.environ | {"PGPASSWORD": _PASSWORD}
    subprocess.run([*prefix, *map(str, command)], check=True, cwd="/", env=environment, stdout=subprocess.DEVNULL)
