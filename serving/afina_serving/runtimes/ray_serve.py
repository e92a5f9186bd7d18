"""Ray Serve: replicas in a Ray of the pod's own. It restarts those that die."""

import logging
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from afina_api.serving import ServerReason
from afina_models.columns import Columns
from afina_models.predictor import Predictions, Predictor
from afina_serving.ending import needed
from afina_serving.errors import StartError
from afina_serving.remote import Ask, WorkerDiedError, asking
from afina_serving.settings import Settings

_OBJECT_STORE_BYTES = 80 * 2**20
"""Ray takes no less than 75 MiB. What is larger than 100 KiB passes through it, and nothing stays."""
_HEALTH_CHECK_SECONDS = 2.0
"""So soon a replica that has died is seen and replaced."""
_LOG_BYTES = 10 * 2**20
_ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    # "No cluster": all listen at 127.0.0.1. The name is of the systems where that is Ray's default.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # On a busy node it takes longer than Ray's own 30 s.
    "RAY_raylet_start_wait_time_s": "180",
    # Ray thinks of work that can wait, and gives its workers 15.
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ROTATION_MAX_BYTES": str(_LOG_BYTES),
    "RAY_ROTATION_BACKUP_COUNT": "1",
}


class Worker:
    """A replica: it has the model to itself."""

    def __init__(self, folder: Path, digest: str) -> None:
        self._predictor = Predictor.load(folder, digest)

    def predict(self, columns: Columns) -> Predictions:
        """What the model says."""
        return self._predictor.predict(columns)


@contextmanager
def running(folder: Path, settings: Settings) -> Iterator[Ask]:
    """Workers that predict, for as long as the block lasts.

    Raises:
        StartError: Ray does not start.
    """
    # It is read when Ray is imported. The token is for the processes of this pod alone.
    os.environ.update({**_ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    import ray

    with ExitStack() as stack:
        # Short: the names of sockets in it may have 107 bytes.
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        stack.callback(ray.shutdown)
        try:
            _start_ray(place, settings.workers)
            stack.enter_context(needed(_children(), "Ray"))
            handle = _start_workers(folder, settings)
        except Exception as error:  # whatever Ray may raise
            raise StartError(ServerReason.RUNTIME_ENDED, f"Ray does not start: {error!r}") from error
        yield _asking(handle, settings.limits.timeout_seconds)


def _start_ray(folder: str, workers: int) -> None:
    import ray

    on_end = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        logging_level=logging.WARNING,
        _temp_dir=folder,
    )
    # Ray has put its own in its place.
    signal.signal(signal.SIGTERM, on_end)


def _start_workers(folder: Path, settings: Settings) -> Any:
    from ray import serve

    serve.start(proxy_location="Disabled")
    deployment = serve.deployment(
        num_replicas=settings.workers,
        health_check_period_s=_HEALTH_CHECK_SECONDS,
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )
    return serve.run(deployment(Worker).bind(folder, settings.identity.digest), route_prefix=None)


def _children() -> list[int]:
    """The processes that this one has started: Ray's, and no others."""
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        # It may have ended meanwhile.
        with suppress(FileNotFoundError):
            found += map(int, (thread / "children").read_text().split())
    return found


def _asking(handle: Any, seconds: float) -> Ask:
    from ray.exceptions import RayActorError

    def ask_once(columns: Columns, wait_seconds: float) -> Predictions:
        try:
            found: Predictions = handle.predict.remote(columns).result(timeout_s=wait_seconds)
        except RayActorError as error:
            raise WorkerDiedError(str(error)) from error
        return found

    return asking(ask_once, seconds)
