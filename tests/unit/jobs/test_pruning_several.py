"""Pruning for several objectives: what looks bad from every side ends, and nothing else."""

import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from afina_api.pruning import Pruning
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Pruned, Report, Succeeded
from afina_jobs.search.pruners import pruner_for
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import Search, a_job, in_memory

Json = dict[str, Any]

PRUNINGS: dict[str, Json] = {
    "Median": {"name": "Median", "median": {"startupTrials": 2}},
    "Percentile": {"name": "Percentile", "percentile": {"percentile": 30, "startupTrials": 2, "intervalSteps": 2}},
    "Wilcoxon": {"name": "Wilcoxon", "wilcoxon": {"pThreshold": 0.3}},
    "Patient": {"name": "Patient", "patient": {"patience": 1}},
    "Patient of Median": {
        "name": "Patient",
        "patient": {"patience": 0, "pruner": {"name": "Median", "median": {"startupTrials": 1}}},
    },
}
DOWN_AND_UP: list[Json] = [{"metric": "rmse", "goal": "Minimize"}, {"metric": "auc", "goal": "Maximize", "weight": 2}]
STEPS = (1, 2, 3, 4, 8)
TRIALS = 14


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database for many studies: to make one takes longer than a test."""
    folder = tmp_path_factory.mktemp("studies")
    open_storage(sqlite_url(folder)).engine.dispose()
    return folder


def a_ledger(database: Path | None, uid: str, pruning: Json, objectives: list[Json] = DOWN_AND_UP) -> Ledger:
    job = TuningJob.model_validate(a_job(script="true", pruning=pruning, objectives=objectives, name="it", uid=uid))
    return Ledger(open_storage(sqlite_url(database)) if database else in_memory(), job)


def curve(number: int) -> list[float]:
    """What a trial reports, step by step."""
    rng = random.Random(number)
    level = rng.random()
    return [level + 0.3 * rng.random() for _ in STEPS]


@pytest.mark.filterwarnings("ignore:WilcoxonPruner finds steps")
@pytest.mark.parametrize("pruning", PRUNINGS.values(), ids=PRUNINGS)
def test_prunes_two_that_say_the_same_as_optuna_prunes_one(pruning: Json, database: Path) -> None:
    study = optuna.create_study(pruner=pruner_for(Pruning.model_validate(pruning)))
    expected = []
    for number in range(TRIALS):
        trial = study.ask()
        ended = None
        for step, value in zip(STEPS, curve(number), strict=True):
            trial.report(value, step)
            if trial.should_prune():
                ended = step
                break
        study.tell(trial, None if ended else curve(number)[-1], state=TrialState.PRUNED if ended else None)
        expected.append(ended)
    assert len(set(expected)) > 1, "some are pruned, and some are not"
    assert _ends(None, f"same-{pruning}", pruning) == expected
    assert _ends(database, f"again-{pruning}", pruning) == expected


def _ends(database: Path | None, uid: str, pruning: Json) -> list[int | None]:
    """At which step each trial was pruned; with a process of its own for each where there is a database."""
    ledger, found = a_ledger(database, uid, pruning), []
    for number in range(TRIALS):
        if database:
            ledger.close()
            ledger = a_ledger(database, uid, pruning)
        assert ledger.begin_trial(TRIALS)
        both = [(value, 5 - 100 * value) for value in curve(number)]
        found.append(_evaluate(ledger, number, both))
    ledger.close()
    return found


def _evaluate(ledger: Ledger, number: int, reports: list[tuple[float, float]]) -> int | None:
    for step, values in zip(STEPS, reports, strict=False):
        if ledger.report(number, Report(step, values)):
            ledger.end_trial(number, Pruned("it looked bad"))
            return step
    ledger.end_trial(number, Succeeded(reports[-1]))
    return None


EARLIER = [(1.0, 95.0), (1.0, 0.0), (10.0, 95.0)]
"""What was reported before: rmse shall be small, auc large. One is good in both, the others in one."""
SIDES: dict[str, tuple[tuple[float, float], bool]] = {
    "bad in both": ((9.5, 10.0), True),
    "good in one": ((9.9, 99.0), False),
    "good in the other": ((0.5, 1.0), False),
    "worse than the median in both, but better in their mean": ((2.0, 90.0), False),
    "worse in both, and in their mean": ((8.0, 60.0), True),
    "not a number in one, good in the other": ((float("nan"), 99.0), False),
    "not a number in one, bad in the other": ((float("nan"), 1.0), True),
    "infinitely bad in one, good in the other": ((float("inf"), 99.0), False),
}


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize(("reported", "pruned"), SIDES.values(), ids=SIDES)
def test_a_trial_ends_that_is_bad_from_every_side(
    reported: tuple[float, float], pruned: bool, database: Path, request: pytest.FixtureRequest
) -> None:
    pruning = {"name": "Median", "median": {"startupTrials": 3}}
    ledger = a_ledger(database, request.node.callspec.id, pruning)
    for number, values in enumerate(EARLIER):
        assert ledger.begin_trial(9)
        assert _evaluate(ledger, number, [values]) is None
    assert ledger.begin_trial(9)
    assert ledger.report(3, Report(1, reported)) is pruned
    ledger.close()


async def test_prunes_in_a_job(tmp_path: Path) -> None:
    # The first trial is the best in both; the others would never end by themselves.
    script = """
for step in 1 2 3; do
  echo "{\\"step\\": $step, \\"rmse\\": $((AFINA_TRIAL_NUMBER * step)), \\"auc\\": -$AFINA_TRIAL_NUMBER}"
done
[ $AFINA_TRIAL_NUMBER -lt 1 ] || sleep 1000
echo '{"rmse": 1, "auc": 1}'
"""
    pruning = {"name": "Median", "median": {"startupTrials": 1}}
    job = a_job(script=script, objectives=DOWN_AND_UP, pruning=pruning, trial={"timeoutSeconds": 30})
    search = Search(tmp_path, job)
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert [trial.state for trial in search.trials()] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED]
