"""The spec as a mounted file, which changes when somebody edits the TuningJob."""

import json
import logging
from pathlib import Path

from afina_api.tuningjob import Budget, TuningJob

log = logging.getLogger(__name__)


def read_job(path: Path) -> TuningJob:
    """The TuningJob in a JSON file.

    Raises:
        ValidationError: it is not what the models allow.
    """
    return TuningJob.model_validate(json.loads(path.read_text()))


class LiveBudget:
    """The budget as it stands in the file now. Of a file that cannot be read, the last good one stays."""

    def __init__(self, path: Path, first: Budget) -> None:
        self._path = path
        self._budget = first
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> Budget:
        """The budget."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns)
            if seen != self._seen:
                self._seen = seen
                self._take(read_job(self._path).spec.budget)
        except (OSError, ValueError) as error:
            log.warning("the spec cannot be read again, its last budget stays: %s", error)
        return self._budget

    def _take(self, budget: Budget) -> None:
        if budget != self._budget:
            log.info("the budget is now %s", budget)
            self._budget = budget
