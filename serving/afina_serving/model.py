"""The model of this server: loaded, tried, and ready to predict."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from afina_api.serving import ServerReason
from afina_models import reference
from afina_models.columns import Columns
from afina_models.digest import DigestError
from afina_models.images import learned
from afina_models.images.learned import LearnedImages
from afina_models.pipeline import Pipeline
from afina_models.predictor import Predictions, Predictor
from afina_serving.drift import InputDrift
from afina_serving.errors import RequestError, StartError
from afina_serving.settings import Identity

_WARM_UP_CALLS = 5
_QUICK_BYTES, _QUICK_SECONDS = 16_384, 0.005
"""A request with so little to read, of a model that takes so little for a row, may hold up all others."""


class Predicting(Protocol):
    """What predicts: a Predictor here, or one that other processes stand behind."""

    pipeline: Pipeline
    classes: list[str]
    half_width: float | None
    has_spread: bool
    """Whether its predictions have one."""

    def predict(self, rows: Columns | Sequence[Mapping[str, Any]]) -> Predictions:
        """Predict rows as JSON has them, or columns."""


Features = dict[str, float]
"""Of an image, by the names of their columns."""


class MeasuringImages(Protocol):
    """What makes columns of images: `MeasuredImages`, which takes long to import."""

    learned: LearnedImages

    def __call__(self, contents: Mapping[str, bytes]) -> tuple[list[Features], list[str]]:
        """The features of images, and what is to be told of them.

        Args:
            contents: of the images' files, by what messages call them.

        Raises:
            RequestError: there are too many, or one is too large (413) or cannot be decoded (422).
        """


class ServedModel:
    """A model and what is said of it. Raises StartError on construction where it does not predict."""

    parallel = 1
    """Predictions that it makes at the same time."""

    def __init__(
        self, predictor: Predicting, identity: Identity, drift: InputDrift, images: MeasuringImages | None = None
    ) -> None:
        self.predictor = predictor
        self.identity = identity
        self.drift = drift
        self.images = images
        """If it can be asked about such."""
        self.types: Mapping[str, str] = predictor.pipeline.types
        self.classes: Sequence[str] = predictor.classes
        self._row_seconds = self._warm_up()

    @classmethod
    def load(cls, folder: Path, identity: Identity) -> "ServedModel":
        """Read it and predict a row.

        Raises:
            StartError: it is not the one that was registered, or it cannot be read, or it does not predict.
        """
        try:
            predictor = Predictor.load(folder, identity.digest)
            rows = reference.load(folder / reference.REFERENCE)
            # The model does without columns that were all the same.
            drift = InputDrift({name: known for name, known in rows.items() if name in predictor.pipeline.types})
            images = learned.load(folder / learned.IMAGES)
        except DigestError as error:
            raise StartError(ServerReason.DIGEST_MISMATCH, str(error)) from error
        except Exception as error:  # whatever the libraries of the formats may raise
            message = f"the model in {folder} cannot be read: {error!r}"
            raise StartError(ServerReason.MODEL_UNREADABLE, message) from error
        return cls(predictor, identity, drift, _measuring(images) if images else None)

    def is_quick(self, body: bytes) -> bool:
        """Whether the request is answered before a thread would have begun with it. There may be an image in any."""
        return self.images is None and len(body) <= _QUICK_BYTES and self._row_seconds <= _QUICK_SECONDS

    def predict(self, columns: Columns) -> Predictions:
        """What the model says.

        Raises:
            RequestError: it says NaN or infinity, which is no answer.
        """
        found = self.predictor.predict(columns)
        for said in (found.values, found.spread):
            # Of one row, all() takes thrice as long.
            if said is not None and np.count_nonzero(np.isfinite(said)) < said.size:
                rows = np.flatnonzero(~np.isfinite(said).reshape(len(said), -1).all(axis=1))
                raise RequestError(500, f"the model's answer to row {rows[0]} is not finite")
        self.drift.add(columns)
        return found

    def _warm_up(self) -> float:
        """Predict a row in which all is missing; the seconds that it takes. The first time is the slowest."""
        row: list[dict[str, Any]] = [{}]
        seconds = []
        try:
            for _ in range(_WARM_UP_CALLS):
                began = time.perf_counter()
                found = self.predictor.predict(row)
                seconds.append(time.perf_counter() - began)
        except Exception as error:  # the same
            raise StartError(ServerReason.MODEL_UNREADABLE, f"the model does not predict: {error!r}") from error
        if not np.isfinite(found.values).all():
            raise StartError(ServerReason.MODEL_UNREADABLE, "the model's answer to a row is not finite")
        return min(seconds)


def _measuring(images: LearnedImages) -> MeasuringImages:
    from afina_serving.images import MeasuredImages  # takes seconds to import, and most models have no images

    return MeasuredImages(images)
