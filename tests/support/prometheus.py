"""A real Prometheus on this machine."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.servers import free_port


@contextmanager
def prometheus_server(folder: Path, target: str, address: str = "127.0.0.1") -> Iterator[str]:
    """The URL of a Prometheus that scrapes a target every second, while the target is there."""
    folder.mkdir(exist_ok=True)
    job = {"job_name": "collector", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job | {"scrape_timeout": "1s"}]}))
    place = f"{address}:{free_port(address)}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={place}"], stdout=log, stderr=log)
    try:
        yield f"http://{place}"
    finally:
        process.kill()
        process.wait()
