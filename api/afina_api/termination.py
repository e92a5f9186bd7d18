"""The last words of a container: why it ended, for the operator to read."""

import json
from enum import StrEnum

_MAX_CHARACTERS, _MAX_BYTES = 1024, 3500
"""The kubelet keeps 4096 bytes, quotation marks take two, and the reason wants some too."""


def termination_message(reason: StrEnum, message: str) -> str:
    """The ending as JSON, of at most 4096 bytes; what cannot be printed is left out of the message."""
    kept = message.strip()[:_MAX_CHARACTERS]
    printable = "".join(character if character.isprintable() else " " for character in kept)
    short = printable.encode()[:_MAX_BYTES].decode(errors="ignore")
    return json.dumps({"reason": str(reason), "message": short}, ensure_ascii=False)
