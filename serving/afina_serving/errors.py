"""What a request, or a server that starts, cannot have."""

from collections.abc import Mapping

from afina_api.serving import ServerReason

CLIENT_LEFT = 499
"""Status, as nginx has it: nobody is there to read the answer."""


class RequestError(Exception):
    """A request that is refused; the message names the field and says what to do."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class StartError(Exception):
    """The server cannot start; `reason` is the word for it and the message says what to do."""

    def __init__(self, reason: ServerReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
