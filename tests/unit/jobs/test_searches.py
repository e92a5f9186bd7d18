"""Searches that go well: how they end, and what they try."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState

from afina_api.reasons import Reason, TrialReason
from afina_jobs import engine
from afina_jobs.contract import Failed, Outcome, Pruned, Succeeded
from afina_jobs.search.space import suggest
from afina_jobs.session import CannotBeginError
from afina_jobs.study.ledger import METRICS, Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import N, Search, X, a_job

Json = dict[str, Any]

TRAIN = "def objective(params, trial): return (params['x'] - 0.3) ** 2 + params['n']"
ONE = "echo '{\"rmse\": 1}'"
"""A script that reports 1."""
C = {"name": "c", "categorical": {"choices": ["a", "b", 3]}}
LOG = {"name": "lr", "float": {"min": 1e-5, "max": 1, "scale": "Log"}}


def params_of(search: Search) -> list[Json]:
    return [trial.params for trial in search.trials()]


async def test_ends_when_all_trials_have_ended(tmp_path: Path) -> None:
    search = Search(tmp_path, a_job(python="train:objective", trials=4), {"train.py": TRAIN})
    verdict = await search.run()
    assert (verdict.reason, verdict.succeeded) == (Reason.MAX_TRIALS_REACHED, True)
    trials = search.trials()
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert [trial.value for trial in trials] == [
        pytest.approx((trial.params["x"] - 0.3) ** 2 + trial.params["n"]) for trial in trials
    ]


async def test_tells_of_every_trial_whoever_sees_first_that_all_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "_TICK_SECONDS", 0.0)
    for number in range(5):
        caplog.clear()
        (folder := tmp_path / str(number)).mkdir()
        with caplog.at_level("INFO", engine.__name__):
            await Search(folder, a_job(script=ONE, trials=4, parallel=4)).run()
        told = [record.message.split()[1] for record in caplog.records if record.message.startswith("trial ")]
        assert sorted(told) == ["0", "1", "2", "3"]


async def test_ends_when_the_target_is_reached(tmp_path: Path) -> None:
    files = {"train.py": "def objective(params, trial): return trial.number"}
    search = Search(tmp_path, a_job(python="train:objective", trials=50, goal="Maximize", target=3), files)
    verdict = await search.run()
    assert verdict.reason == Reason.TARGET_REACHED
    assert len(search.trials()) == 4


async def test_ends_when_the_time_is_over_with_what_was_found(tmp_path: Path) -> None:
    script = "if [ $AFINA_TRIAL_NUMBER = 0 ]; then echo '{\"rmse\": 1}'; else sleep 1000; fi"
    search = Search(tmp_path, a_job(script=script, timeout=2))
    verdict = await search.run()
    assert verdict.reason == Reason.TIMEOUT_REACHED
    assert [trial.state for trial in search.trials()] == [TrialState.COMPLETE, TrialState.PRUNED]


async def test_failed_when_the_time_is_over_and_nothing_was_found(tmp_path: Path) -> None:
    verdict = await Search(tmp_path, a_job(script="sleep 1000", timeout=1)).run()
    assert verdict.reason == Reason.NO_TRIAL_SUCCEEDED


async def test_tries_each_combination_of_a_grid_once(tmp_path: Path) -> None:
    step = {"name": "f", "float": {"min": 0.1, "max": 0.3, "step": 0.1}}
    odd = {"name": "i", "int": {"min": 1, "max": 6, "step": 2}}
    job = a_job(
        script=ONE,
        trials=100,
        parallel=2,
        parameters=[step, odd, C],
        algorithm={"name": "Grid", "seed": 5},
    )
    search = Search(tmp_path, job)
    verdict = await search.run()
    assert verdict.reason == Reason.SPACE_EXHAUSTED
    tried = [tuple(params.values()) for params in params_of(search)]
    assert sorted(tried, key=str) == sorted(
        [(f, i, c) for f in (0.1, 0.2, 0.3) for i in (1, 3, 5) for c in ("a", "b", 3)], key=str
    )
    assert tried != sorted(tried, key=str)


def test_draws_each_parameter_on_its_own(tmp_path: Path) -> None:
    twins = [X, X | {"name": "y"}]
    ledger = Ledger(open_storage(sqlite_url(tmp_path)), Search(tmp_path, a_job(script="true", parameters=twins)).model)
    proposals = [ledger.begin_trial(20) for _ in range(20)]
    drawn = [(proposal.params["x"], proposal.params["y"]) for proposal in proposals if proposal]
    assert len({value for pair in drawn for value in pair}) == 40
    ledger.close()


async def test_draws_a_seed_where_none_is_given_and_keeps_it(tmp_path: Path) -> None:
    for trials in (3, 6):
        search = Search(tmp_path, a_job(script=ONE, trials=trials, algorithm={}))
        await search.run()
    assert len({params["x"] for params in params_of(search)}) == 6


def test_completes_the_parameters_of_a_trial_that_was_killed_while_it_got_them(tmp_path: Path) -> None:
    job = Search(tmp_path, a_job(script="true", parameters=[X, N, C, LOG])).model
    whole = Ledger(open_storage("sqlite:///:memory:"), job).begin_trial(1)
    assert whole
    for stored in range(4):
        ledger = Ledger(open_storage(sqlite_url(tmp_path)), job)
        half = ledger.study.ask()
        for name, found in list(ledger._space.distributions.items())[:stored]:
            suggest(half, name, found)
        ledger.close()
        again = Ledger(open_storage(sqlite_url(tmp_path)), job)
        proposal = again.begin_trial(1)
        assert proposal == whole
        again.close()
        (tmp_path / "study.db").unlink()


async def test_runs_trials_side_by_side(tmp_path: Path) -> None:
    # Each trial waits for the other: one after the other they would wait for ever.
    script = """
touch ../../here-$AFINA_TRIAL_NUMBER
while [ $(ls ../../here-* | wc -l) -lt 2 ]; do sleep 0.01; done
echo '{"rmse": 1}'
"""
    for kind in ("script", "python"):
        folder = tmp_path / kind
        folder.mkdir()
        code = f"""
import os, subprocess
def objective(params, trial):
    env = os.environ | {{"AFINA_TRIAL_NUMBER": str(trial.number)}}
    subprocess.run(["sh", "-c", '''{script}'''], env=env, check=True)
    return 1
"""
        objective: Json = {"python": "train:objective"} if kind == "python" else {"script": script}
        search = Search(
            folder, a_job(trials=2, parallel=2, trial={"timeoutSeconds": 30}, **objective), {"train.py": code}
        )
        assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED


class Watch:
    """Sees every change of a search."""

    def __init__(self) -> None:
        self.running: list[int] = []

    def trials_changed(self, trials: Sequence[FrozenTrial]) -> None:
        self.running.append(sum(trial.state == TrialState.RUNNING for trial in trials))


async def test_never_runs_more_trials_than_asked(tmp_path: Path) -> None:
    watch = Watch()
    search = Search(tmp_path, a_job(script=ONE, trials=9, parallel=3), listeners=[watch])
    await search.run()
    assert max(watch.running) == 3
    assert len(search.trials()) == 9


async def test_prunes_what_looks_bad(tmp_path: Path) -> None:
    code = """
import time
def objective(params, trial):
    for step in range(1, 4):
        trial.report(trial.number, step)
    if trial.number > 4:
        time.sleep(1000)
    return trial.number
"""
    job = a_job(python="train:objective", trials=7, pruning="Median", trial={"timeoutSeconds": 30})
    search = Search(tmp_path, job, {"train.py": code})
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    trials = search.trials()
    assert [trial.state for trial in trials[5:]] == [TrialState.PRUNED] * 2
    assert trials[0].intermediate_values == {1: 0, 2: 0, 3: 0}


async def test_prunes_a_command_at_its_step(tmp_path: Path) -> None:
    script = """
for step in 1 2 4 8; do echo "{\\"step\\": $step, \\"rmse\\": $AFINA_TRIAL_NUMBER}"; done
[ $AFINA_TRIAL_NUMBER -lt 2 ] || sleep 1000
echo '{"rmse": 1}'
"""
    search = Search(tmp_path, a_job(script=script, trials=4, pruning="SuccessiveHalving", trial={"timeoutSeconds": 30}))
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert [trial.state for trial in search.trials()][2:] == [TrialState.PRUNED] * 2


async def test_a_flood_of_reports_is_recorded_as_far_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afina_jobs.study.ledger.MAX_REPORTS", 500)
    script = 'seq 0 3000 | sed \'s/.*/{"step": &, "rmse": &}/\'; echo \'{"rmse": 1}\''
    search = Search(tmp_path, a_job(script=script, trials=1))
    await search.run()
    (trial,) = search.trials()
    assert (trial.value, trial.intermediate_values) == (1, {step: step for step in range(500)})


async def test_tells_a_command_its_parameters_in_every_way(tmp_path: Path) -> None:
    script = """
test "$1" = "--n=$AFINA_PARAM_N" || exit 1
test "$AFINA_PARAM_MAX_DEPTH_2" = "it's; rm -rf" || exit 2
grep -qF "\\"max.depth-2\\": \\"$2\\"" "$AFINA_PARAMS_FILE" || exit 3
echo "{\\"rmse\\": $AFINA_PARAM_N, \\"number\\": $AFINA_TRIAL_NUMBER}"
"""
    odd = {"name": "max.depth-2", "categorical": {"choices": ["it's; rm -rf"]}}
    argv = ["sh", "train.sh", "--n=$(params.n)", "$(params.max.depth-2)"]
    search = Search(tmp_path, a_job(argv=argv, parameters=[N, odd], trials=2), {"train.sh": script})
    verdict = await search.run()
    assert verdict.reason == Reason.MAX_TRIALS_REACHED, verdict
    trial = search.trials()[1]
    assert trial.user_attrs[METRICS] == {"rmse": trial.params["n"], "number": 1}


async def test_executes_a_source_file_and_gives_each_slot_its_own_folder(tmp_path: Path) -> None:
    files = {"train": '#!/bin/sh\ntouch mine\necho "{\\"rmse\\": $(ls ../*/mine | wc -l)}"\n'}
    search = Search(tmp_path, a_job(argv=["./train"], trials=6, parallel=2), files)
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    assert [(tmp_path / "work" / f"slot-{index}" / "mine").exists() for index in (0, 1)] == [True, True]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"goal": "Maximize"}, "spec.objectives"),
        ({"parameters": [X], "script": "false"}, "spec.parameters, spec.trial"),
    ],
)
async def test_refuses_to_go_on_with_another_spec(changes: Json, fields: str, tmp_path: Path) -> None:
    base: Json = {"script": ONE}
    await Search(tmp_path, a_job(**base)).run()
    with pytest.raises(CannotBeginError, match=f"begun with another {fields};"):
        await Search(tmp_path, a_job(**base | changes)).run()


async def test_a_gaussian_process_closes_in_on_a_smooth_optimum(tmp_path: Path) -> None:
    files = {"train.py": "def objective(params, trial): return (params['x'] - 0.3) ** 2 + (params['y'] - 0.7) ** 2"}
    algorithm = {"name": "GP", "seed": 1, "gp": {"startupTrials": 5}}
    job = a_job(python="train:objective", parameters=[X, X | {"name": "y"}], trials=14, algorithm=algorithm)
    search = Search(tmp_path, job, files)
    assert (await search.run()).reason == Reason.MAX_TRIALS_REACHED
    values = [value for trial in search.trials() for value in trial.values or ()]
    random, guided = values[:5], values[5:]
    assert min(guided) < 1e-3 < min(random)


async def test_needs_torch_for_gaussian_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CannotBeginError, match="needs the package torch") as error:
        await Search(tmp_path, a_job(script="true", algorithm={"name": "GP"})).run()
    assert error.value.verdict.reason == Reason.INVALID_SPEC


@pytest.mark.parametrize(
    "again",
    [Succeeded((2.0,)), Failed(TrialReason.KILLED, "late"), Pruned("late")],
    ids=["succeeded", "failed", "pruned"],
)
def test_records_a_trial_once_however_often_it_is_told(again: Outcome, tmp_path: Path) -> None:
    job = Search(tmp_path, a_job(script="true")).model
    ledger = Ledger(open_storage(sqlite_url(tmp_path)), job)
    proposal = ledger.begin_trial(1)
    assert proposal
    running = ledger._running[proposal.number]
    ledger.end_trial(proposal.number, Succeeded((1.0,)))
    ledger._running[proposal.number] = running  # as if the storage had not said that it heard
    ledger.end_trial(proposal.number, again)
    assert [trial.value for trial in ledger.trials()] == [1.0]
    ledger.close()
