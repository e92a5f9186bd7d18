"""The spec as a mounted file; that of a TuningJob changes when somebody edits its budget or widens a range."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from afina_api.base import Model
from afina_api.parameters import FIXED_SPACE, RANGES_GROW, SPACE_IS_FIXED, Parameter, have_grown
from afina_api.tuningjob import TuningJob, TuningJobSpec
from afina_jobs.search.space import SearchSpace

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Model)


def read_object(path: Path, model: type[M]) -> M:
    """The object in a JSON file.

    Raises:
        ValidationError: it is not what the models allow.
    """
    return model.model_validate(json.loads(path.read_text()))


class LiveSpec:
    """The spec with the budget and the parameters as they stand in the file now.

    Of a file that cannot be read, the last good one stays; so do parameters that the search cannot go on with.
    """

    def __init__(self, path: Path, first: TuningJobSpec) -> None:
        self._path = path
        self._spec = first
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> TuningJobSpec:
        """The spec."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns)
            if seen != self._seen:
                self._seen = seen
                self._take(read_object(self._path, TuningJob).spec)
        except (OSError, ValueError) as error:
            log.warning("the spec cannot be read again, the last one stays: %s", error)
        return self._spec

    def _take(self, now: TuningJobSpec) -> None:
        if now.budget != self._spec.budget:
            log.info("the budget is now %s", now.budget)
            self._spec = self._spec.model_copy(update={"budget": now.budget})
        if now.parameters == self._spec.parameters:
            return
        if problem := self._problem_of(now.parameters):
            log.warning("spec.parameters has changed and is not taken: %s", problem)
            return
        changed = [one for one, before in zip(now.parameters, self._spec.parameters, strict=True) if one != before]
        log.info("the next trials are of wider ranges: %s", ", ".join(map(_in_words, changed)))
        self._spec = self._spec.model_copy(update={"parameters": now.parameters})

    def _problem_of(self, parameters: Sequence[Parameter]) -> str:
        if self._spec.algorithm.name in FIXED_SPACE:
            return SPACE_IS_FIXED
        if not have_grown(self._spec.parameters, parameters):
            return RANGES_GROW
        try:
            SearchSpace(parameters)
        except ArithmeticError as error:
            return f"a step is too small for its range: {error}"
        return ""


def _in_words(parameter: Parameter) -> str:
    span = parameter.float_ or parameter.int_
    return f"{parameter.name} from {span.min} to {span.max}" if span else parameter.name
