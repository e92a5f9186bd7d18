"""The queue: once each, one worker at a time, never lost."""

import asyncio
import time

import pytest

from afina_operator.workqueue import REST_SECONDS, WorkQueue

SOON = 0.01


async def take(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.take(), 5)


async def test_a_key_added_twice_is_taken_once() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert [await take(queue), await take(queue)] == ["a", "b"]
    assert await nothing_comes(queue)


async def test_a_key_added_while_worked_on_comes_again_afterwards() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("a")
    queue.add("a")
    assert await nothing_comes(queue)
    queue.done("a")
    assert await take(queue) == "a"
    queue.done("a")
    assert await nothing_comes(queue)


async def test_changes_that_follow_each_other_are_worked_on_together() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    await take(queue)
    queue.done("a")
    began = time.monotonic()
    queue.add("a")
    queue.add("b")
    assert await take(queue) == "b", "nobody else waits"
    await asyncio.sleep(REST_SECONDS / 2)
    queue.add("a")
    assert await take(queue) == "a"
    assert time.monotonic() - began > REST_SECONDS * 0.9
    queue.done("a")
    assert await nothing_comes(queue)


async def test_the_earliest_time_counts() -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 60)
    queue.add_after("a", SOON)
    queue.add_after("a", 60)
    assert await take(queue) == "a"
    queue.done("a")
    assert await nothing_comes(queue)


async def test_a_key_that_is_due_is_not_put_off() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    queue.add_after("a", SOON)
    assert await take(queue) == "a"
    queue.done("a")
    assert await nothing_comes(queue)


async def test_a_key_that_falls_due_while_worked_on_comes_again() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    await take(queue)
    queue.add_after("a", SOON)
    await asyncio.sleep(5 * SOON)
    queue.done("a")
    assert await take(queue) == "a"


async def test_failures_in_a_row_double_the_pause_up_to_five_minutes() -> None:
    queue = WorkQueue[str]()
    pauses = [queue.add_failed("a") for _ in range(12)]
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == 300.0
    assert queue.add_failed("b") == 0.5
    queue.forget_failures("a")
    assert queue.add_failed("a") == 0.5


async def test_a_thousand_failures_are_no_overflow() -> None:
    queue = WorkQueue[str]()
    assert [queue.add_failed("a") for _ in range(5000)][-1] == 300.0


async def nothing_comes(queue: WorkQueue[str]) -> bool:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), REST_SECONDS + 5 * SOON)
    return True
