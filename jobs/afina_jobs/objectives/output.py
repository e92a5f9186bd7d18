"""What a trial prints goes to the driver's log, under the trial's number."""

import logging

log = logging.getLogger(__name__)

_MAX_LOGGED = 2000
"""Characters of a line that are logged."""


class TrialOutput:
    """Forwards lines to the log and remembers the last."""

    def __init__(self, title: str) -> None:
        self.begin(title)

    def begin(self, title: str) -> None:
        """Lines from now on belong to `title`, such as `trial 7`."""
        self._title = title
        self.last_line = ""
        """The last line that was not empty."""

    def __call__(self, line: str) -> None:
        """Take a line."""
        if line.strip():
            self.last_line = line
        log.info("%s | %s", self._title, line if len(line) <= _MAX_LOGGED else line[:_MAX_LOGGED] + " …")
