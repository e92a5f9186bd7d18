"""The spec as a mounted file; that of a TuningJob changes when somebody edits its budget."""

import json
import logging
from pathlib import Path
from typing import TypeVar

from afina_api.base import Model
from afina_api.budget import Budget
from afina_api.tuningjob import TuningJob

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)


def read_object(path: Path, model: type[M]) -> M:
    """The object in a JSON file.

    Raises:
        ValidationError: it is not what the models allow.
    """
    return model.model_validate(json.loads(path.read_text()))


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
                self._take(read_object(self._path, TuningJob).spec.budget)
        except (OSError, ValueError) as error:
            log.warning("the spec cannot be read again, its last budget stays: %s", error)
        return self._budget

    def _take(self, budget: Budget) -> None:
        if budget != self._budget:
            log.info("the budget is now %s", budget)
            self._budget = budget
