"""What waits is predicted together, and nobody gets the answer or the error of another."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from afina_models.columns import Columns
from afina_models.predictor import Predictions
from afina_serving import answers
from afina_serving.answers import Answer, Question
from afina_serving.batch import answered
from afina_serving.errors import RequestError
from afina_serving.work import QuickWork, Task, Work
from support.slow_servers import Slow


def asking(slow: Slow, *values: float) -> Task:
    body = json.dumps({"rows": [{"a": value, "b": 0, "c": 0} for value in values]}).encode()
    return partial(answers.predict, slow.model, body)


def wrong(slow: Slow) -> Task:
    return partial(answers.predict, slow.model, b"{")


def estimates(found: Answer | Exception) -> list[float]:
    assert isinstance(found, Answer), found
    return [round(one["estimate"]) for one in json.loads(found.content)["predictions"]]


@pytest.fixture
def calls(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each call of a model that fails at 13 and answers 14 by NaN."""
    found: list[int] = []
    predict = slow.predictor.predict

    def counting(columns: Columns) -> Predictions:
        found.append(len(columns["a"]))
        if 13 in columns["a"]:
            raise ValueError("13")
        answer = predict(columns)
        answer.values[columns["a"] == 14] = float("nan")
        return answer

    monkeypatch.setattr(slow.predictor, "predict", counting)
    return found


def test_requests_are_predicted_in_one_call(slow: Slow, calls: list[int]) -> None:
    found = answered(slow.model, [asking(slow, 1), asking(slow, 2, 3), asking(slow, 4)])
    assert [estimates(one) for one in found] == [[3], [6, 9], [12]]
    assert calls == [4]


def test_a_request_that_is_wrong_is_no_concern_of_the_others(slow: Slow, calls: list[int]) -> None:
    first, error, last = answered(slow.model, [asking(slow, 1), wrong(slow), asking(slow, 2)])
    assert (estimates(first), estimates(last)) == ([3], [6])
    assert isinstance(error, RequestError)
    assert calls == [2]


@pytest.mark.parametrize(("value", "kind"), [(13.0, ValueError), (14.0, RequestError)], ids=["fails", "NaN"])
def test_rows_that_the_model_fails_at_are_no_concern_of_the_others(
    value: float, kind: type[Exception], slow: Slow, calls: list[int]
) -> None:
    first, error, last = answered(slow.model, [asking(slow, 1), asking(slow, value), asking(slow, 2)])
    assert (estimates(first), estimates(last)) == ([3], [6])
    assert isinstance(error, kind)
    assert calls == [3, 1, 1, 1]


def test_a_spread_that_is_not_finite_is_no_answer(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Predictions(np.zeros(2), spread=np.array([0.0, np.inf]))
    monkeypatch.setattr(slow.predictor, "predict", lambda _columns: found)
    (error,) = answered(slow.model, [asking(slow, 1, 2)])
    assert isinstance(error, RequestError)
    assert str(error) == "the model's answer to row 1 is not finite"


def test_the_classes_of_a_request_are_its_own() -> None:
    sets = np.array([[True, False], [False, True], [True, True]])
    values, spread = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]), np.array([0.1, 0.2, 0.3])
    part = Predictions(values, ["a", "b", "a"], sets, spread=spread).of(slice(1, 3))
    assert part.labels == ["b", "a"]
    assert part.values.tolist() == [[0.2, 0.8], [0.5, 0.5]]
    assert part.sets is not None
    assert part.sets.tolist() == [[False, True], [True, True]]
    assert part.spread is not None
    assert part.spread.tolist() == [0.2, 0.3]


class Held:
    """Answers when it is let; each request by its number, and odd ones by an error."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.batches: list[int] = []

    async def __call__(self, tasks: Sequence[Task]) -> list[Answer | Exception]:
        self.batches.append(len(tasks))
        await self.let.wait()
        return [_outcome(task) for task in tasks]


def _outcome(task: Task) -> Answer | Exception:
    try:
        return task().answer(Predictions(np.zeros(0)))
    except ValueError as error:
        return error


def numbered(number: int) -> Question:
    if number % 2:
        raise ValueError(str(number))
    return Question({}, lambda found: Answer.of(str(number).encode(), {}, found))


async def asked(work: Work | QuickWork, sizes: Sequence[int]) -> list[asyncio.Task[Answer]]:
    found = [asyncio.create_task(work.do(partial(numbered, number), size)) for number, size in enumerate(sizes)]
    await asyncio.sleep(0)
    return found


async def test_what_waits_is_answered_together() -> None:
    held = Held()
    work = Work(held)
    first = await asked(work, [1])
    await asyncio.sleep(0)
    others = await asked(work, [1] * 5)
    assert (held.batches, work.held) == ([1], 6)
    held.let.set()
    found = await asyncio.gather(*first, *others, return_exceptions=True)
    assert held.batches == [1, 5]
    assert [one.content if isinstance(one, Answer) else str(one) for one in found] == [
        b"0", b"0", "1", b"2", "3", b"4",
    ]  # fmt: skip
    assert work.held == 0


async def test_what_is_answered_together_is_bounded() -> None:
    held = Held()
    held.let.set()
    tasks = await asked(Work(held), [30_000, 30_000, 30_000, 100_000, 1])
    await asyncio.gather(*tasks, return_exceptions=True)
    assert held.batches == [2, 1, 1, 1]


async def test_who_does_not_wait_is_held_until_its_turn_ends() -> None:
    held = Held()
    work = Work(held)
    first, second = await asked(work, [1, 1])
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert work.held == 2
    held.let.set()
    with pytest.raises(ValueError, match="1"):
        await second
    assert work.held == 0


class AtOnce:
    """Answers at once; each request by its number, and odd ones by an error."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, tasks: Sequence[Task]) -> list[Answer | Exception]:
        self.batches.append(len(tasks))
        return [_outcome(task) for task in tasks]


async def test_quick_requests_of_one_turn_of_the_loop_are_answered_together() -> None:
    at_once = AtOnce()
    work = QuickWork(at_once)
    first = await asyncio.gather(*await asked(work, [1] * 4), return_exceptions=True)
    (alone,) = await asyncio.gather(*await asked(work, [1]))
    assert at_once.batches == [4, 1]
    assert [one.content if isinstance(one, Answer) else str(one) for one in [*first, alone]] == [
        b"0", "1", b"2", "3", b"0",
    ]  # fmt: skip


async def test_quick_requests_that_are_answered_together_are_bounded() -> None:
    at_once = AtOnce()
    tasks = await asked(QuickWork(at_once), [30_000, 30_000, 30_000, 30_000, 10_000])
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(at_once.batches) == [1, 2, 2]


@pytest.mark.parametrize("gone", [0, 2], ids=["the first", "another"])
async def test_a_quick_request_that_nobody_waits_for_is_no_concern_of_the_others(gone: int) -> None:
    tasks = await asked(QuickWork(AtOnce()), [1] * 5)
    tasks[gone].cancel()
    async with asyncio.timeout(5):
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[gone], asyncio.CancelledError)
    assert [one.content for one in found if isinstance(one, Answer)] == [
        f"{number}".encode() for number in (0, 2, 4) if number != gone
    ]
