"""Every pruning: in a job, and the same after its process was started anew."""

import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from afina_api.pruning import Pruning
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Pruned, Report, Succeeded
from afina_jobs.search.pruners import FromFirstTrial, pruner_for
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import Search, a_job, in_memory

Json = dict[str, Any]

PRUNINGS: dict[str, Json] = {
    "Median": {"name": "Median", "median": {"startupTrials": 1}},
    "Percentile": {"name": "Percentile", "percentile": {"percentile": 30, "startupTrials": 1, "intervalSteps": 2}},
    "SuccessiveHalving": {"name": "SuccessiveHalving"},
    "SuccessiveHalving from a step": {
        "name": "SuccessiveHalving",
        "successiveHalving": {"minResource": 2, "reductionFactor": 2},
    },
    "Hyperband": {"name": "Hyperband", "hyperband": {"minResource": 8}},
    "Hyperband to a step": {"name": "Hyperband", "hyperband": {"maxResource": 2}},
    "Wilcoxon": {"name": "Wilcoxon", "wilcoxon": {"pThreshold": 0.2}},
    "Threshold": {"name": "Threshold", "threshold": {"upper": 0.8, "warmupSteps": 2}},
    "Patient": {"name": "Patient", "patient": {"patience": 1}},
    "Patient of Median": {
        "name": "Patient",
        "patient": {"patience": 0, "pruner": {"name": "Median", "median": {"startupTrials": 1}}},
    },
}


WHEN = {"startupTrials": 2, "warmupSteps": 3, "intervalSteps": 4, "minTrials": 5}
IN_OPTUNA: dict[str, tuple[Json, Json]] = {
    "MedianPruner": (
        {"name": "Median", "median": WHEN},
        {"_n_startup_trials": 2, "_n_warmup_steps": 3, "_interval_steps": 4, "_n_min_trials": 5, "_percentile": 50.0},
    ),
    "PercentilePruner": (
        {"name": "Percentile", "percentile": WHEN | {"percentile": 30}},
        {"_n_startup_trials": 2, "_n_warmup_steps": 3, "_interval_steps": 4, "_n_min_trials": 5, "_percentile": 30.0},
    ),
    "SuccessiveHalvingPruner": (
        {
            "name": "SuccessiveHalving",
            "successiveHalving": {
                "minResource": 2,
                "reductionFactor": 3,
                "minEarlyStoppingRate": 4,
                "bootstrapCount": 5,
            },
        },
        {"_min_resource": 2, "_reduction_factor": 3, "_min_early_stopping_rate": 4, "_bootstrap_count": 5},
    ),
    "HyperbandPruner": (
        {
            "name": "Hyperband",
            "hyperband": {"minResource": 2, "maxResource": 30, "reductionFactor": 4, "bootstrapCount": 5},
        },
        {"_min_resource": 2, "_max_resource": 30, "_reduction_factor": 4, "_bootstrap_count": 5},
    ),
    "WilcoxonPruner": (
        {"name": "Wilcoxon", "wilcoxon": {"pThreshold": 0.2, "startupSteps": 3}},
        {"_p_threshold": 0.2, "_n_startup_steps": 3},
    ),
    "ThresholdPruner": (
        {"name": "Threshold", "threshold": {"lower": -1, "upper": 2, "warmupSteps": 3, "intervalSteps": 4}},
        {"_lower": -1, "_upper": 2, "_n_warmup_steps": 3, "_interval_steps": 4},
    ),
    "PatientPruner": (
        {"name": "Patient", "patient": {"patience": 2, "minDelta": 0.3}},
        {"_patience": 2, "_min_delta": 0.3, "_wrapped_pruner": None},
    ),
}


@pytest.mark.parametrize("name", IN_OPTUNA)
def test_settings_reach_optuna(name: str) -> None:
    pruning, expected = IN_OPTUNA[name]
    made = pruner_for(Pruning.model_validate(pruning))
    assert type(made).__name__ == name
    assert {field: vars(made)[field] for field in expected} == expected


@pytest.mark.filterwarnings("ignore:WilcoxonPruner is experimental")
@pytest.mark.parametrize(
    "name", sorted({pruning["name"] for pruning in PRUNINGS.values()} - {"Percentile", "Threshold", "Patient"})
)
def test_defaults_are_optuna_s(name: str) -> None:
    ours, theirs = pruner_for(Pruning.model_validate({"name": name})), getattr(optuna.pruners, f"{name}Pruner")()
    if isinstance(ours, FromFirstTrial):  # 500 steps, for which Optuna's "auto" is 5 and 501
        assert name in ("SuccessiveHalving", "Hyperband")
        ours, size = ours._make(500), {"_min_resource": 5} if name == "SuccessiveHalving" else {"_max_resource": 501}
        assert vars(ours) == vars(theirs) | size
    else:
        assert vars(ours) == vars(theirs)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty database: to make one takes longer than a test."""
    folder = tmp_path_factory.mktemp("studies")
    open_storage(sqlite_url(folder)).engine.dispose()
    return folder


@pytest.mark.parametrize("pruning", PRUNINGS.values(), ids=PRUNINGS)
async def test_prunes_in_a_job(pruning: Json, database: Path, tmp_path: Path) -> None:
    # The first trial is the best at each step; the others get worse, and the last ones never end by themselves. What
    # has no step to begin at learns it from the first trial, and has nothing to compare the second with.
    whole = 2 if pruning in (PRUNINGS["SuccessiveHalving"], PRUNINGS["Hyperband"]) else 1
    script = f"""
for step in 1 2 3 4 5 6 7 8; do echo "{{\\"step\\": $step, \\"rmse\\": $((AFINA_TRIAL_NUMBER * step))}}"; done
[ $AFINA_TRIAL_NUMBER -lt {whole} ] || sleep 1000
echo '{{"rmse": 1}}'
"""
    shutil.copy(database / "study.db", tmp_path)
    search = Search(tmp_path, a_job(script=script, trials=3, pruning=pruning, trial={"timeoutSeconds": 30}))
    verdict = await search.run()
    assert verdict.reason == Reason.MAX_TRIALS_REACHED, verdict
    states = [trial.state for trial in search.trials()]
    assert states == [TrialState.COMPLETE] * whole + [TrialState.PRUNED] * (3 - whole)


@pytest.mark.filterwarnings("ignore:WilcoxonPruner finds steps")
@pytest.mark.parametrize("pruning", PRUNINGS.values(), ids=PRUNINGS)
def test_prunes_the_same_whatever_died_in_between(pruning: Json, database: Path) -> None:
    name = f"{list(PRUNINGS.values()).index(pruning)}"
    straight = _ends(None, f"straight-{name}", pruning)
    assert {TrialState.COMPLETE, TrialState.PRUNED} == {state for state, _ in straight}
    assert _ends(database, f"restarted-{name}", pruning) == straight


def _ends(database: Path | None, uid: str, pruning: Json) -> list[tuple[TrialState, int | None]]:
    """How each of some trials ended, and at which step. The later ones are longer than the first.

    With a database, each has a process of its own.
    """
    job = TuningJob.model_validate(a_job(script="true", pruning=pruning, name="same", uid=uid))
    ledger = Ledger(open_storage(sqlite_url(database)) if database else in_memory(), job)
    for number in range(6):
        if database:
            ledger.close()
            ledger = Ledger(open_storage(sqlite_url(database)), job)
        proposal = ledger.begin_trial(6)
        assert proposal
        _evaluate(ledger, number)
    found = [(trial.state, trial.last_step) for trial in ledger.trials()]
    ledger.close()
    return found


def _evaluate(ledger: Ledger, number: int) -> None:
    for step in (1, 2, 8, 400, 800)[: 3 if number < 2 else 5]:
        if ledger.report(number, Report(step, ((number * 7 + step * 3) % 11 / 11,))):
            ledger.end_trial(number, Pruned("it looked bad"))
            return
    ledger.end_trial(number, Succeeded((number % 3,)))
