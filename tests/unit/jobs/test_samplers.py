"""Every algorithm in a search: the same seed tries the same, however often it is interrupted."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from scipy.stats import qmc

from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Pruned, Succeeded
from afina_jobs.search.space import suggest
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import N, Search, X, a_job

Json = dict[str, Any]

Y = X | {"name": "y"}
C = {"name": "c", "categorical": {"choices": ["a", "b", 3]}}
LOG = {"name": "lr", "float": {"min": 1e-5, "max": 1, "scale": "Log"}}
STEP = {"name": "step", "float": {"min": 0, "max": 1, "step": 0.1}}

ALGORITHMS: dict[str, Json] = {
    "TPE": {"name": "TPE", "tpe": {"startupTrials": 4}},
    "independent TPE": {"name": "TPE", "tpe": {"startupTrials": 4, "candidates": 4, "multivariate": False}},
    "GP": {"name": "GP", "gp": {"startupTrials": 6, "deterministic": True}},
    "CmaEs": {"name": "CmaEs", "cmaEs": {"populationSize": 4}},
    "separable CmaEs": {"name": "CmaEs", "cmaEs": {"populationSize": 4, "variant": "Separable"}},
    "CmaEs with margin": {"name": "CmaEs", "cmaEs": {"populationSize": 4, "variant": "WithMargin"}},
    "CmaEs that learns how to learn": {
        "name": "CmaEs",
        "cmaEs": {"populationSize": 4, "variant": "LearningRateAdaptation", "considerPrunedTrials": True},
    },
    "NSGAII": {"name": "NSGAII", "nsgaii": {"populationSize": 3, "mutationProbability": 0.3}},
    "NSGAIII": {"name": "NSGAIII", "nsgaiii": {"populationSize": 3}},
    "QMC": {"name": "QMC", "qmc": {"scramble": True}},
    "Halton": {"name": "QMC", "qmc": {"sequence": "Halton", "scramble": True}},
    "Random": {"name": "Random"},
    "Grid": {"name": "Grid"},
}
TRIALS = 10


def value_of(params: Mapping[str, Any]) -> float:
    return sum(value if isinstance(value, float | int) else len(value) / 3 for value in params.values())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database for many studies: to make one takes longer than a test."""
    folder = tmp_path_factory.mktemp("studies")
    open_storage(sqlite_url(folder)).engine.dispose()
    return folder


class Driver:
    """What a driver does with its ledger, without the processes."""

    def __init__(self, folder: Path, name: str, algorithm: Json, seed: int = 3, **spec: Any) -> None:
        parameters = [N, C, STEP] if algorithm["name"] == "Grid" else [X, N, C, LOG, STEP]
        job = a_job(
            script="true", name=name, **{"parameters": parameters, "algorithm": algorithm | {"seed": seed}} | spec
        )
        self.ledger = Ledger(open_storage(sqlite_url(folder)), TuningJob.model_validate(job))

    def work(self, trials: int) -> None:
        """Evaluate until there are so many trials."""
        while proposal := self.ledger.begin_trial(trials):
            pruned = proposal.number == 5
            self.ledger.end_trial(
                proposal.number, Pruned("on purpose") if pruned else Succeeded(value_of(proposal.params))
            )

    def die(self) -> list[Json]:
        """The parameters of all trials."""
        found = [trial.params for trial in self.ledger.trials()]
        self.ledger.close()
        return found

    def die_while_it_begins_a_trial(self, stored: int) -> None:
        """So many of the trial's parameters are stored."""
        trial = self.ledger.study.ask()
        for name in list(self.ledger._space)[:stored]:
            suggest(trial, name, self.ledger._space[name])
        self.die()


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_same_seed_tries_the_same_however_often_it_is_interrupted(
    algorithm: Json, database: Path, request: pytest.FixtureRequest
) -> None:
    name = re.sub("[^a-z]", "-", request.node.callspec.id.lower())
    straight = Driver(database, f"{name}-straight", algorithm)
    straight.work(TRIALS)
    expected = straight.die()
    assert len({json.dumps(params) for params in expected}) > TRIALS - 2
    for ended, stored in ((1, 1), (7, 5), (8, 2)):
        driver = Driver(database, f"{name}-interrupted", algorithm)
        driver.work(ended)
        driver.die_while_it_begins_a_trial(stored)
    last = Driver(database, f"{name}-interrupted", algorithm)
    last.work(TRIALS)
    assert last.die() == expected
    other = Driver(database, f"{name}-other", algorithm, seed=4)
    other.work(3)
    assert other.die() != expected[:3]


def test_cma_es_closes_in_on_an_optimum_and_stores_no_code(database: Path) -> None:
    driver = Driver(database, "closes-in", {"name": "CmaEs"}, parameters=[X, Y])
    while proposal := driver.ledger.begin_trial(43):
        miss = sum((float(value) - 0.9) ** 2 for value in proposal.params.values())
        driver.ledger.end_trial(proposal.number, Succeeded(miss))
    trials = driver.ledger.trials()
    misses = [sum(trial.value or 0.0 for trial in trials[first : first + 6]) for first in (1, 37)]
    assert misses[1] < misses[0] / 3
    assert {key for trial in trials for key in trial.system_attrs} == {"cma:generation"}
    driver.die()


def test_cma_es_does_not_unlearn_when_a_trial_ends_late(database: Path) -> None:
    algorithm = {"name": "CmaEs", "cmaEs": {"populationSize": 4}}
    proposed = []
    for name, late in (("late", True), ("never", False)):
        driver = Driver(database, name, algorithm, parameters=[X, Y])
        driver.work(1)
        slow = driver.ledger.begin_trial(2)
        driver.work(7)  # the other four of its generation, and one that is pruned
        if slow and late:
            driver.ledger.end_trial(slow.number, Succeeded(-9.0))
        proposal = driver.ledger.begin_trial(8)
        proposed.append(proposal and proposal.params)
        driver.die()
    assert proposed[0] == proposed[1]


@pytest.mark.parametrize(("sequence", "engine"), [("Sobol", qmc.Sobol), ("Halton", qmc.Halton)])
def test_quasi_monte_carlo_tries_the_sequence_from_its_first_point(
    sequence: str, engine: type[qmc.QMCEngine], database: Path
) -> None:
    algorithm = {"name": "QMC", "qmc": {"sequence": sequence}}
    driver = Driver(database, sequence.lower(), algorithm, parameters=[X, Y])
    driver.work(4)
    tried = [list(params.values()) for params in driver.die()]
    assert tried == pytest.approx(engine(2, scramble=False).random(4))


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
async def test_runs_in_a_job(algorithm: Json, database: Path, tmp_path: Path) -> None:
    shutil.copy(database / "study.db", tmp_path)
    job = a_job(script="echo '{\"rmse\": 1}'", trials=6, parallel=2, parameters=[N, C, STEP], algorithm=algorithm)
    search = Search(tmp_path, job)
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert {trial.state for trial in search.trials()} == {TrialState.COMPLETE}
