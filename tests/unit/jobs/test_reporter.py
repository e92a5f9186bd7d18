"""What a driver says of its job, on an object to which others write, too. No pause ends within these tests."""

import asyncio
from typing import Any

import httpx2
import pytest
from lightkube import ApiError

from afina_api.base import Metadata
from afina_jobs.report import reporter
from afina_jobs.report.reporter import Reporter

Json = dict[str, Any]
_ENOUGH_SECONDS = 5.0


class OneObject:
    """An API server with one TuningJob, instead of lightkube's client."""

    def __init__(self, **_: Any) -> None:
        self.uid, self.version, self.said = "first", 1, list[Json]()
        self.heard = asyncio.Queue[Json]()

    async def get(self, *_: Any, **__: Any) -> Json:
        return self._found()

    async def apply(self, status: Json, *_: Any, **__: Any) -> Json:
        if status["metadata"]["resourceVersion"] != str(self.version):
            raise ApiError(response=httpx2.Response(409, json={"code": 409, "message": "changed"}))
        self.version += 1
        self.said.append(status["status"])
        self.heard.put_nowait(status["status"])
        return self._found()

    async def close(self) -> None:
        pass

    def _found(self) -> Json:
        return {"metadata": {"uid": self.uid, "resourceVersion": str(self.version)}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> OneObject:
    found = OneObject()
    monkeypatch.setattr(reporter, "AsyncClient", lambda **_: found)
    monkeypatch.setattr(reporter, "_PAUSE_SECONDS", 1000.0)
    monkeypatch.setattr(reporter, "_LONGEST_PAUSE_SECONDS", 1000.0)
    return found


def a_reporter() -> Reporter:
    """Its status tells how many trials there are, and whether they rest."""
    metadata = Metadata(name="a", namespace="b", uid="first")
    return Reporter(metadata, lambda trials, at_rest: {"trials": len(trials), "rests": at_rest}, "TuningJob")


async def _said(server: OneObject, status: Json) -> None:
    async with asyncio.timeout(_ENOUGH_SECONDS):
        while await server.heard.get() != status:
            pass


async def test_the_last_word_waits_for_no_pause(server: OneObject) -> None:
    reports = a_reporter()
    reports.trials_changed([])
    await _said(server, {"trials": 0, "rests": False})
    reports.trials_changed([None])  # type: ignore[list-item]
    reports.rest()
    await _said(server, {"trials": 1, "rests": True})
    reports.trials_changed([None, None])  # type: ignore[list-item]
    await reports.finish(_ENOUGH_SECONDS)
    assert server.said[-1] == {"trials": 2, "rests": True}


async def test_what_somebody_else_wrote_meanwhile_is_no_reason_to_wait(server: OneObject) -> None:
    reports = a_reporter()
    reports.trials_changed([])
    await _said(server, {"trials": 0, "rests": False})
    server.version += 1
    await reports.finish(_ENOUGH_SECONDS)
    assert server.said[-1] == {"trials": 0, "rests": True}


async def test_nothing_is_said_of_a_successor(server: OneObject) -> None:
    reports = a_reporter()
    reports.trials_changed([])
    await _said(server, {"trials": 0, "rests": False})
    server.uid, server.version = "second", 9
    await reports.finish(_ENOUGH_SECONDS)
    assert server.said == [{"trials": 0, "rests": False}]
