"""The search gives every family its turn, survives what models do, and goes on after a death."""

import asyncio
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sklearn.datasets import load_diabetes

from afina_api.automljob import AutoMLJob
from afina_jobs.automl import checkpoint
from afina_jobs.automl.learn import Place, learn
from afina_jobs.automl.models.catalogue import FAMILIES
from afina_jobs.automl.search import open_ledgers
from afina_jobs.automl.standing import Standing, next_family
from afina_jobs.study.storage import open_storage, sqlite_url
from support.datasets import a_dataset, an_automl_job

TURNS = {
    "defaults come first, in order": ([Standing("a", begun=1, best_loss=0.1), Standing("b"), Standing("c")], "b"),
    "what a dead driver left comes before": ([Standing("a"), Standing("b", begun=1, orphaned=1)], "b"),
    "the leader is preferred": (
        [Standing("a", begun=2, best_loss=0.9), Standing("b", begun=2, best_loss=0.1)], "b",
    ),
    "the leader is preferred even with more models": (
        [Standing("a", begun=3, best_loss=0.9), Standing("b", begun=8, best_loss=0.1)], "b",
    ),
    "the second is not forgotten": (
        [Standing("a", begun=2, best_loss=0.9), Standing("b", begun=9, best_loss=0.1)], "a",
    ),
    "a failed default gets a second chance": ([Standing("a", begun=1, failed=1)], "a"),
    "and no third": ([Standing("a", begun=2, failed=2)], None),
    "late, a family that was not tried is left": ([Standing("a"), Standing("b", begun=9, best_loss=1)], "b", True),
}  # fmt: skip


@pytest.mark.parametrize("case", TURNS.values(), ids=TURNS.keys())
def test_whose_turn_it_is(case: tuple[list[Standing], str | None, *tuple[bool, ...]]) -> None:
    standings, expected, *late = case
    assert next_family(standings, late=any(late)) == expected


def a_place(folder: Path) -> Place:
    return Place(a_dataset(folder / "dataset", load_diabetes(as_frame=True).frame), folder / "study", folder / "work")


def trials_of(job: AutoMLJob, place: Place) -> dict[str, list[TrialState]]:
    families = [FAMILIES[name] for name in job.spec.models]
    ledgers = open_ledgers(job, "RMSE", families, open_storage(sqlite_url(place.study)))
    return {name: [trial.state for trial in ledger.trials()] for name, ledger in ledgers.items()}


BROKEN = {
    "XGBoost": ("raise MemoryError('no room for it')", "Exception: MemoryError: no room for it"),
    "LightGBM": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Killed: ended by SIGKILL"),
}


async def test_a_failing_model_is_a_line_in_the_leaderboard(tmp_path: Path) -> None:
    """Found before the library of the same name, the file breaks it in the worker."""
    place = a_place(tmp_path)
    (place.workspace / "slot-0").mkdir(parents=True)
    for name, (body, _) in BROKEN.items():
        (place.workspace / "slot-0" / f"{name.lower()}.py").write_text(body)
    job = an_automl_job(models=[*BROKEN, "Linear"], budget={"timeSeconds": 60, "maxModels": 3})
    found = await learn(job, place, lambda _progress: None)
    assert found.chosen == "Linear"
    states = trials_of(job, place)
    for name, (_, expected) in BROKEN.items():
        broken = next(line for line in found.leaderboard if line.name == name)
        assert broken.score is None
        assert broken.message.startswith(expected)
        assert set(states[name]) == {TrialState.FAIL}


async def test_a_stopped_search_goes_on_where_it_was(tmp_path: Path) -> None:
    place = a_place(tmp_path)
    job = an_automl_job(budget={"timeSeconds": 60, "maxModels": 4})
    begun = asyncio.Event()
    first = asyncio.create_task(learn(job, place, lambda _progress: begun.set()))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    kept = {known.name: known.fit_seconds for known in checkpoint.load_all(place.study / "checkpoints")}
    assert kept

    found = await learn(job, place, lambda _progress: None)
    states = trials_of(job, place)
    assert sum(map(len, states.values())) == 4
    assert all(state == TrialState.COMPLETE for family in states.values() for state in family)
    again = {known.name: known.fit_seconds for known in checkpoint.load_all(place.study / "checkpoints")}
    assert len(again) == 4
    assert kept.items() <= again.items()
    assert found.scores["RMSE"] < 70
