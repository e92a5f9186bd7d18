"""The process in a job's pod: `python3 -m afina_jobs.driver`.

Exit codes: 0, the job ended as it should; 10, it failed for good; 143, it was told to stop and will be resumed.
With 0 and 10 the reason is in the termination log. Any other code is a death, after which it is started again.
"""

import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afina_jobs.signals import until_signalled
from afina_models.imports import do_without, importing
from afina_models.mlflowclient import prepare_mlflow

EXIT_STOPPED = 143

_PR_SET_DUMPABLE = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the operator's pod template says."""

    spec: Path
    """File with the TuningJob as JSON; it may change while the job runs."""
    source: Path | None
    """Folder of the trial's files."""
    study: Path
    """Folder that outlives the pod."""
    workspace: Path
    """Folder for the trials' working directories."""
    storage_url: str | None
    """URL of a database; without it, SQLite in the study's folder."""
    ray_address: str
    """Host and port of the head of the job's Ray cluster; empty where it has none."""
    slots: int | None
    """So many trials at a time the pod, or the Ray cluster, was made for; None: as many as the spec asks for."""
    termination_log: Path
    """File whose content the kubelet puts into the pod's status."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Settings":
        """Read the settings from the `AFINA_` variables."""
        return cls(
            spec=Path(env["AFINA_SPEC"]),
            source=Path(env["AFINA_SOURCE"]) if env.get("AFINA_SOURCE") else None,
            study=Path(env["AFINA_STUDY"]),
            workspace=Path(env["AFINA_WORKSPACE"]),
            storage_url=env.get("AFINA_STORAGE_URL"),
            ray_address=env.get("AFINA_RAY_ADDRESS", ""),
            slots=int(env["AFINA_SLOTS"]) if env.get("AFINA_SLOTS") else None,
            termination_log=Path(env.get("AFINA_TERMINATION_LOG", "/dev/termination-log")),
        )


def main() -> None:
    """Run the job and end the process."""
    # As process 1 of the pod we have to ask for SIGTERM, and the imports below take a second.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_STOPPED))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    hide_environment()
    prepare_mlflow()
    try:
        code = asyncio.run(until_signalled(work(os.environ), [signal.SIGTERM]))
    except Exception:
        log.exception("the driver died")
        code = 1
    logging.shutdown()
    # Threads that still wait for a server that does not answer must not keep the pod.
    os._exit(EXIT_STOPPED if code is None else code)


def work(env: Mapping[str, str]) -> Coroutine[Any, Any, int]:
    """Does what the mounted object is for, and gives the exit code. Imports what its kind needs, and no more."""
    kind = json.loads(Path(env["AFINA_SPEC"]).read_text())["kind"]
    if kind == "Dataset":
        with importing():
            from afina_jobs.dataset import run

        return run.run_in_pod(env)
    if kind == "AutoMLJob":
        do_without("rich")  # scikit-learn would import it, for progress bars
        with importing():
            from afina_jobs.automl import run as automl

        return automl.run_in_pod(env)
    # MLflow's client would import them, and a search has no table; Alembic's would, for templates that nobody renders:
    # 70 MiB, and half of a second.
    do_without("pandas", "pyarrow", "pygments")
    with importing():
        from afina_jobs.podrun import run_in_pod

    return run_in_pod(Settings.from_environment(env))


def hide_environment() -> None:
    """Keep the database's URL from the trials, which run as the same user and could read our /proc/PID/environ."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


if __name__ == "__main__":
    main()
