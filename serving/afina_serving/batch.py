"""Requests that are predicted together: for many rows a call of the model takes little longer than for one."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from afina_models.columns import Columns
from afina_models.predictor import Predictions
from afina_serving.answers import Answer, Question
from afina_serving.model import ServedModel

T = TypeVar("T")


def answered(model: ServedModel, readings: Sequence[Callable[[], Question]]) -> list[Answer | Exception]:
    """The answer to each request, or what is wrong with it, which is no other's concern."""
    read = [_attempt(reading) for reading in readings]
    predictions = iter(_predicted(model, [one.columns for one in read if isinstance(one, Question)]))
    return [_written(one, next(predictions)) if isinstance(one, Question) else one for one in read]


def _predicted(model: ServedModel, asked: Sequence[Columns]) -> list[Predictions | Exception]:
    if len(asked) > 1:
        together = _attempt(partial(_together, model, asked))
        if not isinstance(together, Exception):
            return list(together)
    # Alone, or one of them is at fault, and the others are not to suffer.
    return [_attempt(partial(model.predict, columns)) for columns in asked]


def _together(model: ServedModel, asked: Sequence[Columns]) -> list[Predictions]:
    found = model.predict({name: np.concatenate([columns[name] for columns in asked]) for name in model.types})
    sizes = [len(next(iter(columns.values()))) for columns in asked]
    ends = itertools.accumulate(sizes, initial=0)
    return [found.of(slice(*part)) for part in itertools.pairwise(ends)]


def _written(question: Question, found: Predictions | Exception) -> Answer | Exception:
    return found if isinstance(found, Exception) else _attempt(partial(question.answer, found))


def _attempt(task: Callable[[], T]) -> T | Exception:
    try:
        return task()
    except Exception as error:  # the one who asked is told
        return error
