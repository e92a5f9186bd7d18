"""What predicts in a pod: this process itself, or processes of Ray Serve or TorchServe.

Clients cannot tell which: the way in, with its protocols, limits, counters and its end, is this process in any case.
It has the rows of a request predicted by the runtime's workers, and by nobody from outside the pod.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afina_serving.model import ServedModel
from afina_serving.remote import RemoteModel
from afina_serving.settings import Settings


@contextmanager
def running(model: ServedModel, folder: Path, settings: Settings) -> Iterator[ServedModel]:
    """The model as the runtime predicts with it, for as long as the block lasts.

    Args:
        model: was loaded and tried: it is the one that was registered, and predicts.
        folder: of its files.
        settings: which runtime, and how many workers.

    Raises:
        StartError: the runtime does not start.
    """
    if settings.runtime == "Uvicorn":
        yield model
        return
    # Not every image has what they need.
    if settings.runtime == "RayServe":
        from afina_serving.runtimes.ray_serve import running as workers
    else:
        from afina_serving.runtimes.torch_serve import running as workers
    with workers(folder, settings) as ask:
        yield RemoteModel(model, ask, settings.workers)
