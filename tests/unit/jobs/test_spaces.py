"""Searches in spaces with conditions and constraints: no trial leaves them, whatever the algorithm."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from afina_api.parameters import Parameter
from afina_api.reasons import Reason, TrialReason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Succeeded
from afina_jobs.search.constraints import ConstraintError
from afina_jobs.search.space import SearchSpace
from afina_jobs.session import CannotBeginError, combinations
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.standing import best, count
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import Search, a_job, in_memory

Json = dict[str, Any]

KIND = {"name": "kind", "categorical": {"choices": ["linear", "trees", "net"]}}
LAYERS = {"name": "layers", "int": {"min": 1, "max": 3}, "when": [{"parameter": "kind", "in": ["net"]}]}
WIDTH = {"name": "width", "int": {"min": 10, "max": 90, "step": 40}, "when": [{"parameter": "layers", "in": [2, 3]}]}
DEPTH = {"name": "depth", "int": {"min": 1, "max": 4}, "when": [{"parameter": "kind", "in": ["trees", "net"]}]}
RATE = {"name": "rate", "float": {"min": 0, "max": 1, "step": 0.5}}
CONDITIONAL: list[Json] = [KIND, LAYERS, WIDTH, DEPTH, RATE]
ALGORITHMS = ["TPE", "Hybrid", "GP", "CmaEs", "NSGAII", "NSGAIII", "QMC", "Random", "Grid"]
SMALL = {"name": "small", "expression": "width * depth <= 100 and rate < 1"}


def is_of_the_space(params: Mapping[str, Any]) -> bool:
    """Written by hand from the specs above."""
    expected = {"kind", "rate"}
    expected |= {"depth"} if params["kind"] in ("trees", "net") else set()
    expected |= {"layers"} if params["kind"] == "net" else set()
    expected |= {"width"} if params.get("layers") in (2, 3) else set()
    return params.keys() == expected


def worth(params: Mapping[str, Any]) -> float:
    """Best at a wide, deep net."""
    return float(-params.get("width", 0) * params.get("depth", 0) - 10 * params["rate"])


class Trials:
    """A search without processes; without a folder it is forgotten."""

    def __init__(self, folder: Path | None = None, **spec: Any) -> None:
        self.job = TuningJob.model_validate(a_job(script="true", parameters=CONDITIONAL, **spec))
        self.ledger = Ledger(open_storage(sqlite_url(folder)) if folder else in_memory(), self.job)

    def run(self, trials: int) -> list[FrozenTrial]:
        while proposal := self.ledger.begin_trial(min(trials, self.ledger.combinations)):
            metrics = {"rmse": worth(proposal.params), "rate": float(proposal.params["rate"])}
            self.ledger.end_trial(proposal.number, Succeeded((worth(proposal.params),), metrics))
        found = self.ledger.trials()
        self.ledger.close()
        return found


@pytest.mark.parametrize("name", ALGORITHMS)
def test_trials_have_the_parameters_whose_conditions_they_meet(name: str) -> None:
    found = Trials(algorithm={"name": name, "seed": 1}).run(25)
    assert len(found) == 25
    assert all(is_of_the_space(trial.params) for trial in found)
    assert {len(trial.params) for trial in found} >= {2, 3}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_no_trial_begins_that_an_expression_forbids(name: str) -> None:
    """Most sets that the objective likes are forbidden; expressions say nothing of parameters that are not there."""
    found = Trials(algorithm={"name": name, "seed": 1}, constraints=[SMALL]).run(25)
    assert [trial.number for trial in found] == list(range(25)), "nothing that was refused is stored"
    assert all(is_of_the_space(trial.params) for trial in found)
    wide = [trial.params for trial in found if "width" in trial.params]
    assert all(params["width"] * params["depth"] <= 100 and params["rate"] < 1 for params in wide)
    if name == "Random":
        assert any(trial.params["rate"] == 1 for trial in found if "width" not in trial.params)


def test_no_trial_of_five_hundred_leaves_the_space() -> None:
    found = Trials(algorithm={"name": "Random", "seed": 1}, constraints=[SMALL]).run(500)
    assert len(found) == 500
    assert all(is_of_the_space(trial.params) for trial in found)
    assert all(trial.params.get("width", 0) * trial.params.get("depth", 0) <= 100 for trial in found)
    assert {trial.params.get("width") for trial in found} == {None, 10, 50, 90}


def test_same_seed_tries_the_same_with_constraints_after_a_kill(tmp_path: Path) -> None:
    spec: Json = {"algorithm": {"name": "Hybrid", "seed": 1}, "constraints": [SMALL]}
    straight = Trials(**spec).run(12)
    killed = Trials(tmp_path, **spec)
    killed.run(7)
    killed = Trials(tmp_path, **spec)
    trial = killed.ledger.study.ask()
    trial.suggest_categorical("kind", ["linear", "trees", "net"])  # and is killed before the others are stored
    killed.ledger.close()
    assert [trial.params for trial in Trials(tmp_path, **spec).run(12)] == [trial.params for trial in straight]


def test_a_grid_has_each_combination_once() -> None:
    search = Trials(algorithm={"name": "Grid"})
    # linear; trees of 4 depths; nets of 1 layer, or of 2 or 3 with 3 widths, of 4 depths; each with 3 rates
    expected = (1 + 4 + (1 + 2 * 3) * 4) * 3
    assert search.ledger.combinations == combinations(search.job.spec) == expected
    found = search.run(1000)
    assert len({tuple(sorted(trial.params.items())) for trial in found}) == len(found) == expected


def test_a_limited_metric_sorts_trials() -> None:
    limits = [{"name": "slow", "metric": "rate", "max": 0.5}, {"name": "fast", "metric": "rate", "min": 0.5}]
    search = Trials(algorithm={"name": "Random", "seed": 3}, constraints=limits)
    found = search.run(30)
    broken = [trial for trial in found if trial.params["rate"] != 0.5]
    assert count(found).infeasible == len(broken) > 0
    leaders = best(found, search.job.spec.objectives, 30)
    assert {trial.number for trial in leaders} == {t.number for t in found} - {t.number for t in broken}
    assert {trial.params["rate"]: dict(trial.constraints) for trial in found} == {
        0.0: {"slow:max": -0.5, "fast:min": 0.5},
        0.5: {"slow:max": 0, "fast:min": 0},
        1.0: {"slow:max": 0.5, "fast:min": -0.5},
    }


@pytest.mark.parametrize("name", ["TPE", "Hybrid", "GP", "NSGAII"])
def test_the_search_learns_to_keep_a_limited_metric(name: str) -> None:
    """The objective wants the rate that the limit forbids."""
    limit = {"name": "slow", "metric": "rate", "max": 0.5}
    settings = {"nsgaii": {"populationSize": 10}} if name == "NSGAII" else {}
    search = Trials(algorithm={"name": name, "seed": 1} | settings, constraints=[limit])
    found = search.run(45)
    kept = [trial.params["rate"] <= 0.5 for trial in found[20:]]
    assert sum(kept) / len(kept) > 0.75, "two thirds of the space keep it"


async def test_a_trial_that_does_not_report_a_limited_metric_fails(tmp_path: Path) -> None:
    limit = {"name": "quick", "metric": "p95_ms", "max": 50}
    search = Search(tmp_path, a_job(script="echo '{\"rmse\": 1}'", constraints=[limit]))
    verdict = await search.run()
    assert verdict.reason == Reason.TOO_MANY_FAILED_TRIALS
    assert search.trials()[0].user_attrs["afina:reason"] == TrialReason.METRIC_MISSING
    assert "'p95_ms', which the constraint quick limits" in verdict.message


async def test_a_search_of_which_no_trial_keeps_the_constraints_fails(tmp_path: Path) -> None:
    limit = {"name": "quick", "metric": "p95_ms", "max": 50}
    script = 'echo \'{"rmse": 1, "p95_ms": 70}\''
    search = Search(tmp_path, a_job(script=script, constraints=[limit]))
    verdict = await search.run()
    assert verdict.reason == Reason.NO_TRIAL_SUCCEEDED
    assert "3 break a constraint" in verdict.message


async def test_constraints_that_nothing_keeps_end_the_search(tmp_path: Path) -> None:
    narrow = {"name": "narrow", "expression": "x > 2"}
    search = Search(tmp_path, a_job(script="true", constraints=[narrow]))
    verdict = await search.run()
    assert verdict.reason == Reason.INVALID_SPEC
    assert "narrow: none of 10000 random sets" in verdict.message
    assert not [trial for trial in search.trials() if trial.state.is_finished() and trial.params]


async def test_a_grid_that_no_combination_keeps_does_not_begin(tmp_path: Path) -> None:
    job = a_job(script="true", parameters=[RATE], constraints=[{"name": "narrow", "expression": "rate > 2"}])
    job["spec"]["algorithm"] = {"name": "Grid"}
    with pytest.raises(CannotBeginError, match="narrow: no combination of the grid"):
        await Search(tmp_path, job).run()


def test_a_constraint_is_not_asked_of_parameters_that_are_not_there() -> None:
    """The sampler gives all; of a linear model's, layers and width are not there."""
    space = TuningJob.model_validate(a_job(script="true", parameters=CONDITIONAL, constraints=[SMALL])).spec
    found = SearchSpace(space.parameters, space.constraints)
    everything: Json = {"kind": "linear", "layers": 3, "width": 90, "depth": 4, "rate": 0.5}
    assert found.there(everything) == {"kind": "linear", "rate": 0.5}
    assert not found.allows(everything)
    assert found.allows(found.there(everything))


@pytest.mark.parametrize(
    ("expression", "params", "holds"),
    [
        ("a < b", {"a": 1, "b": 2}, True),
        ("a < b", {"a": 2, "b": 2}, False),
        ("a < b", {"a": 9}, True),
        ("kind in ('x', 'y') and a ** 2 + 1 == 5", {"kind": "x", "a": 2}, True),
        ("a if kind == 'x' else False", {"kind": "y", "a": 2}, False),
        (" a > 0 ", {"a": 1}, True),
    ],
)
def test_expression(expression: str, params: Json, holds: bool) -> None:
    assert _space(expression).allows(params) == holds


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("a / b > 1", "division by zero"),
        ("a < kind", "not supported"),
        ("().__class__", "__class__"),
        ("a(1)", "Function"),
        ("a ** 999999999", "Sorry"),
    ],
)
def test_expression_that_cannot_be_evaluated(expression: str, says: str) -> None:
    with pytest.raises(ConstraintError, match=r"spec\.constraints: rule: .*cannot be evaluated for .*" + says):
        _space(expression).allows({"a": 7, "b": 0, "kind": "x"})


def _space(expression: str) -> SearchSpace:
    parameters = [Parameter.model_validate({"name": name, "int": {"min": 0, "max": 9}}) for name in ("a", "b", "kind")]
    job = a_job(script="true", constraints=[{"name": "rule", "expression": expression}])
    job["spec"]["parameters"] = [parameter.model_dump(by_alias=True, exclude_none=True) for parameter in parameters]
    return SearchSpace(parameters, TuningJob.model_validate(job).spec.constraints)
