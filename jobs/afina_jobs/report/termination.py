"""The last words of the driver's container: why it ended, for the operator to read."""

import json
from enum import StrEnum
from typing import Protocol

from afina_jobs.contract import text

_MAX_MESSAGE_BYTES = 3500
"""The kubelet keeps 4096 bytes, quotation marks take two, and the reason wants some too."""


class Ending(Protocol):
    """Why a job of any kind ended."""

    @property
    def reason(self) -> StrEnum:
        """A documented word."""

    @property
    def message(self) -> str:
        """The cause, for people."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended as it should."""


def termination_message(ending: Ending) -> str:
    """The ending as JSON, of at most 4096 bytes."""
    message = text(ending.message).encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
    return json.dumps({"reason": str(ending.reason), "message": message}, ensure_ascii=False)
