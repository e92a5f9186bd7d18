"""The last words of the driver's container: why it ended, for the operator to read."""

import json

from afina_jobs.contract import text
from afina_jobs.stopping import Verdict

_MAX_MESSAGE_BYTES = 3500
"""The kubelet keeps 4096 bytes, quotation marks take two, and the reason wants some too."""


def termination_message(verdict: Verdict) -> str:
    """The verdict as JSON, of at most 4096 bytes."""
    message = text(verdict.message).encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
    return json.dumps({"reason": str(verdict.reason), "message": message}, ensure_ascii=False)
