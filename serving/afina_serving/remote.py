"""A model whose predictions are made by other processes of the pod."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from afina_models.columns import Columns, from_rows
from afina_models.predictor import Predictions
from afina_serving.model import Predicting, ServedModel

Ask = Callable[[Columns], Predictions]
"""Has a prediction made by another process. Blocks; may be called from several threads at once."""
_PAUSE_SECONDS = 0.05


class WorkerDiedError(Exception):
    """A process ended before it had answered. The runtime starts another in its place."""


def asking(ask_once: Callable[[Columns, float], Predictions], seconds: float) -> Ask:
    """Ask whoever has taken the place of a worker that died: predicting changes nothing.

    Args:
        ask_once: asks, and waits for so many seconds. Raises WorkerDiedError.
        seconds: until no other worker is asked. The error of the last is raised then.
    """

    def ask(columns: Columns) -> Predictions:
        deadline = time.monotonic() + seconds
        while True:
            try:
                return ask_once(columns, max(deadline - time.monotonic(), _PAUSE_SECONDS))
            except WorkerDiedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)

    return ask


class RemotePredictor:
    """What is known of a model here; what it predicts is asked for."""

    def __init__(self, local: Predicting, ask: Ask) -> None:
        self.pipeline = local.pipeline
        self.classes = local.classes
        self.half_width = local.half_width
        self.has_spread = local.has_spread
        self._ask = ask

    def predict(self, rows: Columns | Sequence[Mapping[str, Any]]) -> Predictions:
        """Have rows as JSON has them, or columns, predicted."""
        return self._ask(rows if isinstance(rows, dict) else from_rows(rows, self.pipeline.types))


class RemoteModel(ServedModel):
    """The model of this server, predicted with elsewhere."""

    def __init__(self, model: ServedModel, ask: Ask, workers: int) -> None:
        super().__init__(RemotePredictor(model.predictor, ask), model.identity, model.drift, model.images)
        self.parallel = workers

    def is_quick(self, body: bytes) -> bool:
        """Whoever waits for another process must not hold up others."""
        return False
