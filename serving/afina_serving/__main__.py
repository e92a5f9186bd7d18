"""Serve the model that the environment names: `python3 -m afina_serving`."""

import logging
import os
import signal
import sys
from collections.abc import Mapping

from afina_models.imports import importing
from afina_serving.ending import told
from afina_serving.errors import StartError
from afina_serving.settings import Settings

EXIT_STOPPED = 143
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

log = logging.getLogger("afina_serving")


def main() -> int:
    """Load, warm up and serve; the exit code."""
    # As process 1 of the pod we have to ask for SIGTERM, and a download may take minutes.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_STOPPED))
    # A replica is one process: more of its processors are used by more replicas.
    os.environ.update({name: "1" for name in _THREADS if name not in os.environ})
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        run(os.environ)
    except StartError as error:
        return told(error)
    return 0


def run(env: Mapping[str, str]) -> None:
    """Load, warm up and serve, until told to end.

    Raises:
        StartError: there is nothing to serve.
    """
    settings = Settings.from_environment(env)
    # What takes long to import comes after what may be wrong.
    with importing():
        from afina_serving.download import fetched
        from afina_serving.lifecycle import Lifecycle
        from afina_serving.model import ServedModel
        from afina_serving.prediction_log import s3_put
        from afina_serving.runtimes import running
        from afina_serving.server import serve
        from afina_serving.service import Service

    identity = settings.identity
    folder = fetched(settings.source, settings.folder)
    loaded = ServedModel.load(folder, identity)
    log.info("%s version %s is loaded", identity.name, identity.version)
    with running(loaded, folder, settings) as model:
        logging_ = (settings.logging, s3_put(settings.logging, env)) if settings.logging else None
        service = Service(model, settings.limits, Lifecycle(), settings.shadow, logging_)
        serve(service, settings)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # A prediction that nobody waits for any more must not keep the pod.
    os._exit(code)
