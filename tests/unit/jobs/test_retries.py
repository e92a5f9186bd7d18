"""Which trials are run again, and why: for want of memory alone and once, for what was lost, never for a bug."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from afina_api.reasons import RetryReason, TrialReason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Failed, Lost, Proposal, Pruned, Succeeded
from afina_jobs.results.table import Columns, as_csv
from afina_jobs.study.ledger import MESSAGE, REASON, Ledger
from afina_jobs.study.retries import ATTEMPTS, RETRIES, in_words, retries_of, why_again
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import a_job

NO_MEMORY = Failed(TrialReason.OUT_OF_MEMORY, "the kernel killed it")
ONE = Succeeded((1.0,))
TRIALS = 4


class Life:
    """A ledger after the other, of one study."""

    def __init__(self, folder: Path, *, parallel: int = 2, workers: int = 0, exclusive: bool = True) -> None:
        job = a_job(script="true", trials=TRIALS, parallel=parallel)
        job["spec"] |= {"execution": {"workers": workers}}
        self._job, self._folder, self._exclusive = TuningJob.model_validate(job), folder, exclusive
        self.ledger = self._open()

    def _open(self) -> Ledger:
        return Ledger(open_storage(sqlite_url(self._folder)), self._job, exclusive=self._exclusive)

    def begin(self) -> Proposal | None:
        return self.ledger.begin_trial(TRIALS)

    def must_begin(self) -> Proposal:
        found = self.begin()
        assert found
        return found

    def lacks_memory(self, number: int) -> RetryReason | None:
        """A trial runs out of memory."""
        why = self.ledger.retry(number, NO_MEMORY)
        if why is None:
            self.ledger.end_trial(number, NO_MEMORY)
        return why

    def driver_dies(self) -> None:
        self.ledger.close()
        self.ledger = self._open()

    def driver_stops(self) -> None:
        self.ledger.release_all()
        self.driver_dies()

    def trial(self, number: int) -> FrozenTrial:
        return self.ledger.trials()[number]

    def retries(self, number: int) -> dict[str, int]:
        return retries_of(self.trial(number).user_attrs)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def test_what_ran_out_of_memory_beside_others_is_run_once_more_alone(life: Life) -> None:
    first, second = life.must_begin(), life.must_begin()
    assert life.lacks_memory(first.number) == RetryReason.OUT_OF_MEMORY
    assert life.begin() is None, "it waits for the other's end"
    life.ledger.end_trial(second.number, ONE)
    assert life.begin() == first
    assert life.begin() is None, "no other begins beside it"
    assert life.trial(0).user_attrs[ATTEMPTS] == 1, "no death of a driver was counted"
    assert life.lacks_memory(first.number) is None
    assert life.trial(0).state == TrialState.FAIL
    assert life.trial(0).user_attrs[REASON] == "OutOfMemory"
    assert life.trial(0).user_attrs[MESSAGE] == "run again for OutOfMemory, then: the kernel killed it"
    assert [life.must_begin().number, life.must_begin().number] == [2, 3]
    assert len(life.ledger.trials()) == TRIALS


def test_all_that_ran_out_of_memory_together_are_run_again_one_by_one(life: Life) -> None:
    numbers = [life.must_begin().number, life.must_begin().number]
    assert [life.lacks_memory(number) for number in numbers] == [RetryReason.OUT_OF_MEMORY] * 2
    for number in numbers:
        assert life.must_begin().number == number
        assert life.begin() is None
        life.ledger.end_trial(number, ONE)
    assert life.must_begin().number == 2
    assert [life.retries(number) for number in numbers] == [{"OutOfMemory": 1}] * 2


def test_a_kill_neither_forgets_the_retry_nor_grants_another(life: Life) -> None:
    first, second = life.must_begin(), life.must_begin()
    life.lacks_memory(first.number)
    life.driver_dies()
    assert life.begin() == first
    assert life.begin() is None
    life.driver_dies()
    assert life.begin() == first, "alone still"
    assert life.begin() is None
    assert life.lacks_memory(first.number) is None
    assert life.begin() == second
    assert life.retries(0) == {"OutOfMemory": 1, "DriverLost": 1}


def test_a_kill_while_the_retry_is_recorded_costs_no_trial(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = life.must_begin(), life.must_begin()
    write = optuna.Trial.set_user_attr

    def killed_before_the_second(trial: optuna.Trial, key: str, value: Any) -> None:
        if key == ATTEMPTS:
            raise KeyboardInterrupt
        write(trial, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Trial, "set_user_attr", killed_before_the_second)
        with pytest.raises(KeyboardInterrupt):
            life.lacks_memory(first.number)
    life.driver_dies()
    assert life.begin() == first
    assert life.begin() is None
    assert life.lacks_memory(first.number) is None


@pytest.mark.parametrize(
    ("spec", "again"),
    [
        ({"parallel": 2, "exclusive": False}, False),
        ({"parallel": 2, "workers": 2}, False),  # each has its pod for itself already
        ({"parallel": 4, "workers": 2}, True),
        ({"parallel": 2, "workers": 1}, True),
    ],
    ids=str,
)
def test_only_where_alone_means_more_memory(spec: dict[str, Any], again: bool, tmp_path: Path) -> None:
    life = Life(tmp_path, **spec)
    first, _ = life.must_begin(), life.must_begin()
    assert (life.lacks_memory(first.number) is not None) == again


def test_who_was_alone_is_not_run_again(life: Life) -> None:
    assert life.lacks_memory(life.must_begin().number) is None
    first, second = life.must_begin(), life.must_begin()
    life.ledger.end_trial(first.number, ONE)
    assert life.lacks_memory(second.number) == RetryReason.OUT_OF_MEMORY, "it was not alone all the time"


@pytest.mark.parametrize("reason", [one for one in TrialReason if one != TrialReason.OUT_OF_MEMORY])
def test_no_other_failure_is_run_again(reason: TrialReason, life: Life) -> None:
    first, _ = life.must_begin(), life.must_begin()
    assert life.ledger.retry(first.number, Failed(reason, "")) is None


def test_what_is_lost_with_its_worker_is_run_again_twice_whatever_happens_to_ray_and_the_driver(life: Life) -> None:
    for why in (RetryReason.WORKER_LOST, *[RetryReason.RAY_LOST] * 5, RetryReason.WORKER_LOST):
        assert life.ledger.retry(life.must_begin().number, Lost(why)) == why
        life.driver_dies()
    last = life.must_begin()
    assert last.number == 0
    lost = Lost(RetryReason.WORKER_LOST)
    assert life.ledger.retry(0, lost) is None
    life.ledger.end_trial(0, lost)
    assert life.trial(0).user_attrs[REASON] == "Interrupted"
    message = life.trial(0).user_attrs[MESSAGE]
    assert message.startswith("run again for WorkerLost x2, RayLost x5, then: it was lost 3 times: The worker of")


def test_the_record_tells_a_stop_from_a_death(life: Life) -> None:
    first = life.must_begin()
    life.driver_stops()
    life.must_begin()
    life.driver_stops()
    assert life.begin() == first
    life.driver_dies()
    assert life.begin() == first
    life.ledger.end_trial(first.number, ONE)
    assert life.retries(0) == {"DriverStopped": 2, "DriverLost": 1}
    table = as_csv([life.trial(0)], Columns.of([life.trial(0)], ["rmse"]))
    assert table.splitlines()[0].endswith("message,retries")
    assert table.splitlines()[1].endswith('"DriverStopped x2, DriverLost"')
    life.ledger.end_trial(life.must_begin().number, ONE)
    assert life.retries(1) == {}
    assert in_words(life.retries(1)) == ""


def test_the_last_try_of_what_may_have_killed_the_driver_is_alone(life: Life) -> None:
    """Where the kernel ends all of a pod that lacks memory, the driver is not told who was the cause."""
    for _ in range(2):
        life.must_begin()
        life.must_begin()
        life.driver_dies()
    assert life.must_begin().number == 0
    assert life.begin() is None
    life.driver_dies()
    assert life.must_begin().number == 1
    assert life.trial(0).state == TrialState.FAIL
    assert life.begin() is None
    life.ledger.end_trial(1, ONE)
    assert life.trial(1).state == TrialState.COMPLETE, "it was not given up with the other"


def test_what_waits_at_the_end_of_the_search_has_no_value(life: Life) -> None:
    first, _ = life.must_begin(), life.must_begin()
    life.lacks_memory(first.number)
    life.ledger.end_all(Pruned("the search ended before it did"))
    assert [life.trial(number).state for number in (0, 1)] == [TrialState.PRUNED] * 2
    assert life.retries(0) == {"OutOfMemory": 1}


def test_memory_is_an_excuse_once_whatever_ran_beside_it() -> None:
    assert why_again(NO_MEMORY, {}, had_company=True) == RetryReason.OUT_OF_MEMORY
    assert why_again(NO_MEMORY, {RETRIES: {"OutOfMemory": 1}}, had_company=True) is None
