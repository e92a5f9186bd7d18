"""What the model server and the operator agree on."""

import math
from typing import Literal

from afina_api.reasons import Documented
from afina_api.s3 import S3_KEYS

RuntimeName = Literal["Uvicorn", "RayServe", "TorchServe"]
"""What predicts in a pod."""

REVISION_HEADER = "Afina-Revision"
"""Of every answer: which revision gave it."""

REQUEST_HEADER = "Afina-Request"
"""Of an answer that is in the prediction log: its name there."""

LOG_KEYS = tuple(f"AFINA_LOG_{key}" for key in S3_KEYS)
"""Variables with S3's keys for the prediction log. Those of the model's own download are others."""

DIFFERENCE_BOUNDS = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper bounds of the buckets of `afina_model_shadow_difference`."""

LATENCY_RATIO = 1.1
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.0005, 60.0
_STEPS = math.ceil(math.log(_LONGEST_SECONDS / _SHORTEST_SECONDS, LATENCY_RATIO))

LATENCY_BOUNDS = tuple(_SHORTEST_SECONDS * LATENCY_RATIO**step for step in range(_STEPS + 1))
"""Upper bounds of the buckets of `afina_model_request_seconds`, in seconds: each `LATENCY_RATIO` times the last.

A multiple of a bound is a bound again, or lies between two neighbours, so that the judge can ask whether a canary is
more than so many times slower.
"""


class ServerReason(Documented):
    """Why a model server ended before it was ready, in its container's termination message."""

    INVALID_SETTINGS = "InvalidSettings", "An environment variable is missing, or is no number."
    MODEL_UNAVAILABLE = "ModelUnavailable", "The model's files cannot be downloaded."
    DIGEST_MISMATCH = "DigestMismatch", "The model's files are not those that were registered."
    MODEL_UNREADABLE = "ModelUnreadable", "The model cannot be read, or does not predict."
    RUNTIME_ENDED = "RuntimeEnded", "Ray or TorchServe did not start, or has ended. The pod's server is started again."
