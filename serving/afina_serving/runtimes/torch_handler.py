"""What TorchServe's workers run: the model."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from afina_models.predictor import Predictor
from afina_serving.runtimes.messages import packed_failure, packed_predictions, unpacked_columns

FILES_VARIABLE, DIGEST_VARIABLE = "AFINA_MODEL_FILES", "AFINA_MODEL_DIGEST"


def handle(requests: Sequence[Mapping[str, Any]] | None, _context: object) -> list[bytes]:
    """Answer requests. TorchServe calls it once without any, to have the model loaded."""
    predictor = _predictor()
    return [_answer(predictor, bytes(request["body"])) for request in requests or ()]


def _answer(predictor: Predictor, body: bytes) -> bytes:
    try:
        return packed_predictions(predictor.predict(unpacked_columns(body, predictor.pipeline.types)))
    except Exception as error:  # whatever the libraries of the formats may raise: TorchServe would not say what
        return packed_failure(error)


@cache
def _predictor() -> Predictor:
    return Predictor.load(Path(os.environ[FILES_VARIABLE]), os.environ[DIGEST_VARIABLE])
