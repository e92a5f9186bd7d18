"""The study in PostgreSQL, where several jobs share a database and connections may break."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy
from optuna.trial import TrialState

from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Failed, Succeeded
from afina_jobs.session import CannotBeginError, open_ledger
from afina_jobs.study import storage as storage_module
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import StorageFullError, open_storage, patiently
from afina_jobs.study.thread import StudyThread
from support.searches import Driver, a_job, stored_trials, wait_for

pytestmark = pytest.mark.integration

OPEN = """
import sys
from afina_jobs.study.storage import open_storage
open_storage(sys.argv[1]).engine.dispose()
"""


def test_many_jobs_may_begin_at_once_in_an_empty_database(postgresql: str) -> None:
    url = _new_database(postgresql)
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, url], stderr=subprocess.PIPE) for _ in range(6)]
    errors = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, errors


def test_survives_kills_with_two_jobs_in_one_database(postgresql: str, tmp_path: Path) -> None:
    script = 'echo here; sleep 0.2; echo "{\\"rmse\\": $AFINA_TRIAL_NUMBER}"'
    drivers = []
    for uid in ("one", "two"):
        (tmp_path / uid).mkdir()
        job = a_job(script=script, trials=12, parallel=2, failures=12, uid=uid)
        drivers.append(Driver(tmp_path / uid, job, env={"AFINA_STORAGE_URL": postgresql}))
    for _ in range(3):
        processes = [driver.start() for driver in drivers]
        begun = [driver.log().count(" | here") for driver in drivers]
        for driver, process, before in zip(drivers, processes, begun, strict=True):
            wait_for(lambda: driver.log().count(" | here") > before)  # noqa: B023
            process.kill()
            process.wait()
    assert [driver.run() for driver in drivers] == [0, 0]
    for driver in drivers:
        trials = driver.trials()
        assert [trial.number for trial in trials] == list(range(12))
        assert all(trial.value == trial.number for trial in trials if trial.state == TrialState.COMPLETE)
        assert all(trial.state.is_finished() for trial in trials)


def test_goes_on_when_its_connections_are_cut(postgresql: str) -> None:
    job = TuningJob.model_validate(a_job(script="true", uid="cut"))
    ledger = Ledger(open_storage(postgresql), job)
    for value in range(5):
        _cut_connections(postgresql)
        proposal = ledger.begin_trial(5)
        assert proposal
        _cut_connections(postgresql)
        ledger.end_trial(proposal.number, Succeeded((value,)))
    ledger.close()
    assert [trial.value for trial in stored_trials(postgresql, job)] == [0, 1, 2, 3, 4]


def test_waits_for_a_database_that_is_locked_for_a_while(postgresql: str) -> None:
    url = postgresql + "?options=-c%20lock_timeout%3D200"
    ledger = Ledger(open_storage(url), TuningJob.model_validate(a_job(script="true", uid="locked")))
    engine = sqlalchemy.create_engine(postgresql)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("LOCK TABLE trials IN ACCESS EXCLUSIVE MODE"))
        asyncio.run(_release_later(connection, ledger))
    engine.dispose()
    assert len(ledger.trials()) == 1
    ledger.close()


async def _release_later(connection: sqlalchemy.Connection, ledger: Ledger) -> None:
    beginning = asyncio.create_task(asyncio.to_thread(ledger.begin_trial, 5))
    await asyncio.sleep(1)
    assert not beginning.done()
    connection.rollback()
    assert await beginning


def test_gives_up_a_database_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "PATIENCE_SECONDS", 1.0)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        open_storage("postgresql+psycopg://nobody@127.0.0.1:1/none")


def test_refuses_a_database_that_holds_the_tables_of_another_program(postgresql: str) -> None:
    url = _new_database(postgresql)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
        connection.execute(sqlalchemy.text("INSERT INTO alembic_version VALUES ('cf4d9b7ce7e1')"))
    engine.dispose()
    job = TuningJob.model_validate(a_job(script="true", uid="foreign"))
    with pytest.raises(CannotBeginError, match="a database of their own") as refused:
        asyncio.run(open_ledger(job, url, StudyThread()))
    assert refused.value.verdict.reason == Reason.INVALID_SPEC


def test_knows_a_full_disk_by_its_code(postgresql: str) -> None:
    engine = sqlalchemy.create_engine(postgresql)
    full = "DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$"

    def fill() -> None:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(full))

    with pytest.raises(StorageFullError):
        patiently(fill)
    engine.dispose()


def test_keeps_any_text(postgresql: str) -> None:
    choices = ["plain", "';--", "\x00", "語🜁", "$(params.c)", "%s{}"]
    parameter = {"name": "c", "categorical": {"choices": choices}}
    job = TuningJob.model_validate(a_job(script="true", uid="text", parameters=[parameter], algorithm={"name": "Grid"}))
    ledger = Ledger(open_storage(postgresql), job)
    while proposal := ledger.begin_trial(len(choices)):
        ledger.end_trial(proposal.number, Failed("Exception", "'; DROP TABLE trials; --\\"))  # type: ignore[arg-type]
    assert sorted(trial.params["c"] for trial in ledger.trials()) == sorted(choices)
    ledger.close()


def _new_database(url: str) -> str:
    name = f"fresh{time.monotonic_ns()}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.removesuffix("postgres") + name


def _cut_connections(url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.execute(sqlalchemy.text(others))
    engine.dispose()
