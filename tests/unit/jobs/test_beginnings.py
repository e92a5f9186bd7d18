"""Where a search begins: given parameters, and earlier searches."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Succeeded
from afina_jobs.search.constraints import ConstraintError
from afina_jobs.search.past import Past
from afina_jobs.session import CannotBeginError
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from afina_jobs.tracking import earlier as tracking
from support.searches import Search, a_job

Json = dict[str, Any]

KIND = {"name": "kind", "categorical": {"choices": ["net", 3]}}
LAYERS = {"name": "layers", "int": {"min": 1, "max": 9, "step": 2}, "when": [{"parameter": "kind", "in": ["net"]}]}
RATE = {"name": "rate", "float": {"min": 1e-4, "max": 1, "scale": "Log"}}
STEP = {"name": "step", "float": {"min": 0, "max": 1, "step": 0.1}}
SPACE: list[Json] = [KIND, LAYERS, RATE, STEP]
NET = {"kind": "net", "layers": 5, "rate": 0.03, "step": 0.3}
OTHER = {"kind": 3, "rate": 1, "step": 0.7}


def given(*configs: Json) -> list[Json]:
    return [{"params": [{"name": name, "value": value} for name, value in config.items()]} for config in configs]


def job_of(algorithm: Json, **spec: Any) -> TuningJob:
    job = a_job(script="true", parameters=SPACE, algorithm=algorithm)
    job["spec"] |= spec
    return TuningJob.model_validate(job)


def searched(folder: Path, job: TuningJob, trials: int, pasts: Sequence[Past] = ()) -> list[Json]:
    """The parameters of the trials, and that of each its own driver."""
    ledger = Ledger(open_storage(sqlite_url(folder)), job, lambda: pasts)
    while proposal := ledger.begin_trial(trials):
        ledger.end_trial(proposal.number, Succeeded((abs(float(proposal.params["step"]) - 0.2),)))
    found = [dict(trial.params) for trial in ledger.trials()]
    ledger.close()
    return found


@pytest.mark.parametrize("name", ["TPE", "Hybrid", "CmaEs", "QMC", "NSGAII", "Random"])
def test_given_trials_come_first_whatever_the_algorithm_and_a_kill(name: str, tmp_path: Path) -> None:
    job = job_of({"name": name, "seed": 1}, initialConfigs=given(NET, OTHER))
    searched(tmp_path, job, 1)
    found = searched(tmp_path, job, 6)
    assert found[:2] == [NET, OTHER]
    assert found[2] not in (NET, OTHER)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"kind": "net", "rate": 0.03, "step": 0.3}, "a value for layers is missing"),
        ({**OTHER, "layers": 5}, "has no parameter layers: remove it"),
        ({**NET, "depth": 5}, "has no parameter depth: remove it"),
        ({**NET, "layers": 4}, "layers cannot be 4"),
        ({**NET, "layers": 11}, "layers cannot be 11"),
        ({**NET, "layers": "5"}, "layers cannot be '5'"),
        ({**NET, "step": 0.35}, "step cannot be 0.35"),
        ({**NET, "rate": 0}, "rate cannot be 0"),
        ({**NET, "kind": "3"}, "kind cannot be '3'"),
        ({**NET, "rate": None}, "rate cannot be None"),
    ],
)
def test_given_trial_that_is_not_of_the_space_is_refused(config: Json, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        job_of({"name": "TPE"}, initialConfigs=given(config))


def test_given_trial_that_breaks_a_constraint_is_refused(tmp_path: Path) -> None:
    rule = {"name": "small", "expression": "layers < 5"}
    job = job_of({"name": "TPE"}, initialConfigs=given(OTHER, NET), constraints=[rule])
    with pytest.raises(ConstraintError, match=r"initialConfigs\[1\] breaks one of the constraints small"):
        searched(tmp_path, job, 1)


def past(best: float) -> Past:
    """As MLflow keeps it: parameters are text, and of an older space."""
    steps = [index / 10 for index in range(11)]
    params = [{"kind": "3", "rate": "0.1", "step": str(step), "gone": "1"} for step in steps]
    return Past(params, [[abs(step - best)] for step in steps])


def test_a_warm_search_begins_where_the_earlier_one_ended(tmp_path: Path) -> None:
    job = job_of({"name": "Hybrid", "seed": 1}, warmStartFrom=[{"tuningJobRef": {"name": "earlier"}}])
    found = searched(tmp_path, job, 1, [past(0.8)])
    assert found[0]["step"] == pytest.approx(0.8)


def test_a_search_goes_on_with_the_history_that_it_began_with(tmp_path: Path) -> None:
    job = job_of({"name": "Hybrid", "seed": 1}, warmStartFrom=[{"mlflowExperiment": "earlier"}])
    for folder in ("straight", "killed"):
        (tmp_path / folder).mkdir()
    straight = searched(tmp_path / "straight", job, 9, [past(0.2)])
    searched(tmp_path / "killed", job, 4, [past(0.2)])
    assert searched(tmp_path / "killed", job, 9, [past(0.9)]) == straight


def test_what_the_history_is_good_for_is_told(tmp_path: Path) -> None:
    job = job_of({"name": "Hybrid", "seed": 1}, warmStartFrom=[{"mlflowExperiment": "earlier"}])
    told = {}
    for name, pasts in {"none": [], "good": [past(0.2)], "bad": [past(0.2), past(0.9)], "worst": [past(0.9)]}.items():
        (tmp_path / name).mkdir()
        ledger = Ledger(open_storage(sqlite_url(tmp_path / name)), job, lambda pasts=pasts: pasts)  # type: ignore[misc]
        while proposal := ledger.begin_trial(12):
            ledger.end_trial(proposal.number, Succeeded((abs(float(proposal.params["step"]) - 0.2),)))
        told[name] = ledger.warm_start
        ledger.close()
    assert told["none"] is None
    assert told["good"]
    assert told["good"].trials == 11
    assert (told["good"].agreement or 0) > 0.5
    assert told["bad"]
    assert told["bad"].trials == 22
    assert told["worst"]
    assert (told["worst"].agreement or 0) < 0


def test_an_mlflow_that_does_not_answer_is_not_asked_for_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one request its client would ask again for four, whatever our own patience."""
    monkeypatch.setattr(tracking, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for name in ("MAX_RETRIES", "BACKOFF_FACTOR", "TIMEOUT"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "as it was")
        monkeypatch.delenv(f"MLFLOW_HTTP_REQUEST_{name}")
    job = job_of({"name": "Hybrid"}, warmStartFrom=[{"mlflowExperiment": "earlier"}])
    assert tracking.earlier_searches(job) == []
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"


async def test_a_warm_start_without_mlflow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    job = a_job(script="true", algorithm={"name": "Hybrid"})
    job["spec"]["warmStartFrom"] = [{"mlflowExperiment": "earlier"}]
    with pytest.raises(CannotBeginError, match=r"spec\.warmStartFrom: .* set MLFLOW_TRACKING_URI"):
        await Search(tmp_path, job).run()
