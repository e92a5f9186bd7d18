"""A search whose ranges grow on its way: what it had tried stays, counts, and is learned from."""

from pathlib import Path
from typing import Any

import pytest
from optuna import Study
from optuna.trial import TrialState

from afina_api.parameters import FIXED_SPACE, RANGES_GROW, SPACE_IS_FIXED, Parameter, have_grown
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Proposal, Succeeded
from afina_jobs.livespec import LiveSpec
from afina_jobs.search.past import Past
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.opening import SpecChangedError
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import Driver, a_job, wait_for
from support.spaces import GROWN, INTS, MORE, NOT_GROWN, NOT_GROWN_LAST, Json

NARROW: list[Json] = [
    {"name": "x", "float": {"min": 0, "max": 1}},
    {"name": "n", "int": {"min": 4, "max": 8, "step": 4}},
]
WIDE: list[Json] = [
    {"name": "x", "float": {"min": 0, "max": 10}},
    {"name": "n", "int": {"min": -4, "max": 8, "step": 4}},
]
LEARNING = ["TPE", "Hybrid", "GP", "NSGAII", "NSGAIII", "QMC", "Random"]
BEFORE, AFTER = 12, 30


def parsed(*parameters: Json) -> list[Parameter]:
    return [Parameter.model_validate(one) for one in parameters]


@pytest.mark.parametrize(("before", "after"), GROWN.values(), ids=GROWN.keys())
def test_a_space_has_grown(before: Json, after: Json) -> None:
    assert have_grown(parsed(*MORE, before), parsed(*MORE, after))


@pytest.mark.parametrize(("before", "after"), (NOT_GROWN | NOT_GROWN_LAST).values(), ids=NOT_GROWN | NOT_GROWN_LAST)
def test_a_space_has_become_another(before: Json, after: Json) -> None:
    assert not have_grown(parsed(*MORE, before), parsed(*MORE, after))


def test_a_space_of_more_or_fewer_parameters_is_another() -> None:
    few, more = parsed(*MORE), parsed(*MORE, INTS)
    assert not have_grown(few, more)
    assert not have_grown(more, few)
    assert not have_grown(more, more[::-1])


class Life:
    """A search of one driver after the other."""

    def __init__(self, folder: Path, algorithm: str, **spec: Any) -> None:
        self.folder, self.algorithm, self.spec = folder, algorithm, spec
        self.ledger: Ledger

    def begin(self, parameters: list[Json], pasts: list[Past] | None = None) -> "Life":
        job = a_job(script="true", parameters=parameters, algorithm={"name": self.algorithm, "seed": 3})
        job["spec"] |= self.spec
        storage = open_storage(sqlite_url(self.folder))
        self.ledger = Ledger(storage, TuningJob.model_validate(job), lambda: pasts or [])
        return self

    def work(self, trials: int) -> "Life":
        """Look for x = 5 and n = -4, until there are so many trials."""
        while proposal := self.ledger.begin_trial(trials):
            self.end(proposal)
        return self

    def end(self, proposal: Proposal) -> None:
        x, n = (float(proposal.params[name]) for name in ("x", "n"))
        self.ledger.end_trial(proposal.number, Succeeded(((x - 5) ** 2 + (n + 4) ** 2 / 10,)))

    def widen(self) -> "Life":
        self.ledger.widen(parsed(*WIDE))
        return self

    def tried(self) -> list[Json]:
        return [dict(trial.params) for trial in self.ledger.trials()]

    def die(self) -> list[Json]:
        found = self.tried()
        self.ledger.close()
        return found


@pytest.mark.parametrize("algorithm", LEARNING)
def test_a_wider_range_is_searched_from_the_next_trial_on(algorithm: str, tmp_path: Path) -> None:
    life = Life(tmp_path, algorithm).begin(NARROW).work(BEFORE)
    before = life.tried()
    life.widen().work(AFTER)
    trials = life.ledger.trials()
    assert life.tried()[:BEFORE] == before
    assert all(0 <= params["x"] <= 1 for params in before)
    assert max(params["x"] for params in life.tried()[BEFORE:]) > 1.5
    assert {params["n"] for params in life.tried()} == {-4, 0, 4, 8}
    # Else Optuna's samplers would take x for a parameter that they know nothing of.
    assert len({repr(trial.distributions) for trial in trials}) == 1
    if algorithm in ("TPE", "Hybrid", "GP"):
        assert min(trial.values[0] for trial in trials) < 0.6, "it learns from both, old and new"
    life.die()


@pytest.mark.parametrize("algorithm", [*LEARNING, "PBT"])
def test_a_kill_changes_nothing_about_it(algorithm: str, tmp_path: Path) -> None:
    for name in ("straight", "killed"):
        (tmp_path / name).mkdir()
    straight = Life(tmp_path / "straight", algorithm).begin(NARROW).work(7).widen().work(14).die()
    killed = Life(tmp_path / "killed", algorithm)
    killed.begin(NARROW).work(7).die()
    killed.begin(WIDE).work(9).die()
    assert killed.begin(WIDE).work(14).die() == straight


def test_a_kill_in_the_midst_of_it_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path, "TPE").begin(NARROW).work(3)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Study, "set_user_attr", killed)
        with pytest.raises(KeyboardInterrupt):
            life.widen()
    before = life.die()
    assert life.begin(WIDE).work(5).tried()[:3] == before
    assert len({repr(trial.distributions) for trial in life.ledger.trials()}) == 1
    life.die()
    with pytest.raises(SpecChangedError, match="parameters"):
        life.begin(NARROW)


def test_a_trial_that_runs_goes_on_with_what_it_has(tmp_path: Path) -> None:
    life = Life(tmp_path, "Random").begin(NARROW).work(2)
    running = life.ledger.begin_trial(9)
    handed_over = life.ledger.begin_trial(9)
    assert running
    assert handed_over
    life.widen().end(running)
    life.ledger.release_all()
    life.die()
    assert life.begin(WIDE).ledger.begin_trial(9) == handed_over
    assert [trial.state for trial in life.ledger.trials()] == [TrialState.COMPLETE] * 3 + [TrialState.RUNNING]
    life.die()


def test_an_earlier_search_helps_in_the_wider_range_too(tmp_path: Path) -> None:
    past = Past([{"x": float(x), "n": -4} for x in range(11)], [[(x - 5.0) ** 2] for x in range(11)])
    life = Life(tmp_path, "Hybrid", warmStartFrom=[{"tuningJobRef": {"name": "earlier"}}])
    found = life.begin(NARROW, [past]).work(2).widen().work(5).die()
    assert all(params["x"] <= 1 for params in found[:2])
    assert min(abs(params["x"] - 5) for params in found[2:]) < 1


@pytest.mark.parametrize("algorithm", FIXED_SPACE)
def test_some_algorithms_need_the_space_that_they_began_with(algorithm: str, tmp_path: Path) -> None:
    narrow, wide = [{**NARROW[1]}], [{**WIDE[1]}]
    life = Life(tmp_path, algorithm)
    life.begin(narrow).die()
    with pytest.raises(SpecChangedError, match="parameters"):
        life.begin(wide)


def spec_of(parameters: list[Json], algorithm: str = "TPE") -> Json:
    return a_job(script="true", parameters=parameters, algorithm={"name": algorithm})


@pytest.mark.parametrize(
    ("parameters", "algorithm", "says"),
    [
        ([NARROW[0], INTS | {"name": "n"}], "TPE", RANGES_GROW),
        (WIDE, "CmaEs", SPACE_IS_FIXED),
        ([{"name": "x", "float": {"min": 0, "max": 1e40, "step": 1e-3}}], "TPE", "a step is too small for its range"),
    ],
    ids=["another space", "an algorithm that cannot", "a step too small"],
)
def test_a_file_that_says_what_cannot_be_done_is_not_taken(
    parameters: list[Json], algorithm: str, says: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    narrow = [{"name": "x", "float": {"min": 0, "max": 1, "step": 1e-3}}] if len(parameters) == 1 else NARROW
    driver = Driver(tmp_path, spec_of(narrow, algorithm))
    live = LiveSpec(driver.spec, TuningJob.model_validate(driver.job).spec)
    driver.write_spec(spec_of(parameters, algorithm))
    assert live().parameters == parsed(*narrow)
    assert says in caplog.text


def test_a_driver_takes_a_wider_range_while_it_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = "while [ ! -e ../../go-$AFINA_TRIAL_NUMBER ]; do sleep 0.01; done; echo '{\"rmse\": 1}'"

    def job(parameters: list[Json]) -> Json:
        return a_job(script=script, trials=5, parameters=parameters, algorithm={"name": "Random", "seed": 1})

    driver = Driver(tmp_path, job(NARROW))
    process = driver.start()
    wait_for(lambda: len(driver.trials()) == 1)
    driver.write_spec(job(WIDE))
    for number in range(5):
        (tmp_path / f"go-{number}").touch()
    assert process.wait(60) == 0
    tried = [trial.params["x"] for trial in driver.trials()]
    assert tried[0] <= 1 < max(tried)
    assert "the next trials are of wider ranges: x from 0.0 to 10.0, n from -4 to 8" in driver.log()
    assert driver.run() == 0, "the next driver knows the study again"
