"""Every algorithm in a search: the same seed tries the same, however often it is interrupted."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState
from scipy.stats import qmc

from afina_api.algorithm import Algorithm
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Pruned, Succeeded
from afina_jobs.search.past import History
from afina_jobs.search.samplers import PerTrialSampler, sampler_for
from afina_jobs.search.space import SearchSpace, suggest
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import N, Search, X, a_job, in_memory

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
    "Hybrid": {"name": "Hybrid", "hybrid": {"startupTrials": 3}},
    "Random": {"name": "Random"},
    "Grid": {"name": "Grid"},
}
TRIALS = 10


GENES = {"populationSize": 6, "mutationProbability": 0.1, "crossoverProbability": 0.2, "swappingProbability": 0.3}
IN_OPTUNA: dict[str, tuple[Json, Json]] = {
    "TPE": (
        {"tpe": {"startupTrials": 2, "candidates": 3, "multivariate": False}},
        {"_n_startup_trials": 2, "_n_ei_candidates": 3, "_multivariate": False},
    ),
    "GP": ({"gp": {"startupTrials": 2, "deterministic": True}}, {"_n_startup_trials": 2, "_deterministic": True}),
    "CmaEs": (
        {"cmaEs": {"startupTrials": 2, "populationSize": 5, "variant": "Separable", "considerPrunedTrials": True}},
        {"_n_startup_trials": 2, "_popsize": 5, "_use_separable_cma": True, "_consider_pruned_trials": True},
    ),
    "NSGAII": ({"nsgaii": GENES}, {"_population_size": 6}),
    "NSGAIII": ({"nsgaiii": GENES | {"dividingParameter": 4}}, {"_population_size": 6}),
}


@pytest.mark.parametrize("name", IN_OPTUNA)
def test_settings_reach_optuna_and_defaults_are_its_own(name: str) -> None:
    settings, expected = IN_OPTUNA[name]
    made, plain = (_made({"name": name} | given) for given in (settings, {}))
    assert {field: vars(made)[field] for field in expected} == expected
    if name.startswith("NSGA"):
        genes = vars(made._child_generation_strategy)
        assert [genes[f"_{part}_prob"] for part in ("mutation", "crossover", "swapping")] == [0.1, 0.2, 0.3]
        assert getattr(made._elite_population_selection_strategy, "_dividing_parameter", 4) == 4
    default = getattr(optuna.samplers, f"{name}Sampler")(seed=1)
    values = (bool, int, float, str, type(None))
    theirs = {field: value for field, value in vars(default).items() if isinstance(value, values)}
    theirs |= {"_warn_independent_sampling": False} if name == "CmaEs" else {}
    assert {field: vars(plain)[field] for field in theirs} == theirs


def _made(algorithm: Json) -> Any:
    sampler = sampler_for(Algorithm.model_validate(algorithm), (), SearchSpace(()), 1, History(()))
    assert isinstance(sampler, PerTrialSampler)
    return sampler._sampler


def test_a_gaussian_process_works_in_one_thread() -> None:
    """Next to trials that have the processors."""
    torch.set_num_threads(2)
    _made({"name": "GP"})
    assert torch.get_num_threads() == 1


def value_of(params: Mapping[str, Any]) -> float:
    return sum(value if isinstance(value, float | int) else len(value) / 3 for value in params.values())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database for many studies: to make one takes longer than a test."""
    folder = tmp_path_factory.mktemp("studies")
    open_storage(sqlite_url(folder)).engine.dispose()
    return folder


class Driver:
    """What a driver does with its ledger, without the processes; without a folder nothing is left of it."""

    def __init__(self, folder: Path | None, name: str, algorithm: Json, seed: int = 3, **spec: Any) -> None:
        parameters = [N, C, STEP] if algorithm["name"] == "Grid" else [X, N, C, LOG, STEP]
        job = a_job(
            script="true", name=name, **{"parameters": parameters, "algorithm": algorithm | {"seed": seed}} | spec
        )
        storage = open_storage(sqlite_url(folder)) if folder else in_memory()
        self.ledger = Ledger(storage, TuningJob.model_validate(job))

    def work(self, trials: int) -> None:
        """Evaluate until there are so many trials."""
        while proposal := self.ledger.begin_trial(trials):
            pruned = proposal.number == 5
            worth = value_of(proposal.params)
            values = (worth, abs(worth - 7.0))[: len(self.ledger.study.directions)]
            self.ledger.end_trial(proposal.number, Pruned("on purpose") if pruned else Succeeded(values))

    def die(self) -> list[Json]:
        """The parameters of all trials."""
        found = [trial.params for trial in self.ledger.trials()]
        self.ledger.close()
        return found

    def die_while_it_begins_a_trial(self, stored: int) -> None:
        """So many of the trial's parameters are stored."""
        trial = self.ledger.study.ask()
        for name, found in list(self.ledger._space.distributions.items())[:stored]:
            suggest(trial, name, found)
        self.die()


ONE: list[Json] = []
TWO = [{"metric": "rmse", "goal": "Minimize"}, {"metric": "speed", "goal": "Maximize"}]
SEARCHES = {name: (algorithm, ONE) for name, algorithm in ALGORITHMS.items()} | {
    f"{name} for two": (algorithm, TWO) for name, algorithm in ALGORITHMS.items() if algorithm["name"] != "CmaEs"
}


@pytest.mark.parametrize(("algorithm", "objectives"), SEARCHES.values(), ids=SEARCHES)
def test_same_seed_tries_the_same_however_often_it_is_interrupted(
    algorithm: Json, objectives: list[Json], database: Path, request: pytest.FixtureRequest
) -> None:
    name = re.sub("[^a-z]", "-", request.node.callspec.id.lower())
    straight = Driver(None, "straight", algorithm, objectives=objectives)
    straight.work(TRIALS)
    expected = straight.die()
    assert len({json.dumps(params) for params in expected}) > TRIALS - 2
    for ended, stored in ((1, 1), (7, 5), (8, 2)):
        driver = Driver(database, name, algorithm, objectives=objectives)
        driver.work(ended)
        driver.die_while_it_begins_a_trial(stored)
    last = Driver(database, name, algorithm, objectives=objectives)
    last.work(TRIALS)
    assert last.die() == expected
    other = Driver(None, "other", algorithm, seed=4, objectives=objectives)
    other.work(3)
    assert other.die() != expected[:3]


def test_cma_es_closes_in_on_an_optimum_and_stores_no_code() -> None:
    driver = Driver(None, "closes-in", {"name": "CmaEs"}, parameters=[X, Y])
    while proposal := driver.ledger.begin_trial(43):
        miss = sum((float(value) - 0.9) ** 2 for value in proposal.params.values())
        driver.ledger.end_trial(proposal.number, Succeeded((miss,)))
    trials = driver.ledger.trials()
    misses = [sum(trial.value or 0.0 for trial in trials[first : first + 6]) for first in (1, 37)]
    assert misses[1] < misses[0] / 3
    assert {key for trial in trials for key in trial.system_attrs} == {"cma:generation"}
    driver.die()


def test_cma_es_does_not_unlearn_when_a_trial_ends_late() -> None:
    algorithm = {"name": "CmaEs", "cmaEs": {"populationSize": 4}}
    proposed = []
    for name, late in (("late", True), ("never", False)):
        driver = Driver(None, name, algorithm, parameters=[X, Y])
        driver.work(1)
        slow = driver.ledger.begin_trial(2)
        driver.work(7)  # the other four of its generation, and one that is pruned
        if slow and late:
            driver.ledger.end_trial(slow.number, Succeeded((-9.0,)))
        proposal = driver.ledger.begin_trial(8)
        proposed.append(proposal and proposal.params)
        driver.die()
    assert proposed[0] == proposed[1]


@pytest.mark.parametrize(("sequence", "engine"), [("Sobol", qmc.Sobol), ("Halton", qmc.Halton)])
def test_quasi_monte_carlo_tries_the_sequence_from_its_first_point(sequence: str, engine: type[qmc.QMCEngine]) -> None:
    algorithm = {"name": "QMC", "qmc": {"sequence": sequence}}
    driver = Driver(None, sequence.lower(), algorithm, parameters=[X, Y])
    driver.work(4)
    tried = [list(params.values()) for params in driver.die()]
    assert tried == pytest.approx(engine(2, scramble=False).random(4))


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
async def test_runs_in_a_job(algorithm: Json, database: Path, tmp_path: Path) -> None:
    shutil.copy(database / "study.db", tmp_path)
    script, hyperband = "echo '{\"rmse\": 1}'", {"name": "Hyperband", "hyperband": {"maxResource": 9}}
    job = a_job(
        script=script, trials=6, parallel=2, parameters=[N, C, STEP], algorithm=algorithm, pruning=hyperband
    )  # of which samplers see the study through a keyhole
    search = Search(tmp_path, job)
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert {trial.state for trial in search.trials()} == {TrialState.COMPLETE}
