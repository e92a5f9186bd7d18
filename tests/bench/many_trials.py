"""What the last trials of 100, 1,000 and 10,000 cost the driver: our engine next to plain Optuna.

Run by hand: `make bench-many-trials`. Both go on with copies of the same SQLite file, which was filled with trials
drawn at random, each in a process of its own; the trials do nothing. Ours is the engine with the driver's ledger;
plain is `study.ask` and `study.tell` on the same kind of storage with the same sampler. With --whole the engine also
runs all 10,000 trials itself.
"""

import argparse
import asyncio
import json
import logging
import math
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before NumPy

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import create_trial

from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Outcome, Proposal, Succeeded
from afina_jobs.engine import Engine
from afina_jobs.objectives.base import OnReport, Place
from afina_jobs.report.status import status
from afina_jobs.search import HybridSampler
from afina_jobs.search.space import SearchSpace
from afina_jobs.study.importance import importances
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.opening import study_name
from afina_jobs.study.retries import ATTEMPTS
from afina_jobs.study.storage import open_storage, sqlite_url
from afina_jobs.study.thread import StudyThread
from support.searches import a_job

SIZES = (100, 1_000, 10_000)
SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "Random": lambda: RandomSampler(seed=1),
    "TPE": lambda: TPESampler(seed=1),
    "Hybrid": lambda: HybridSampler(seed=1),
}
PARAMETERS = [
    {"name": "learning_rate", "float": {"min": 0.001, "max": 0.3, "scale": "Log"}},
    {"name": "dropout", "float": {"min": 0, "max": 0.5}},
    {"name": "layers", "int": {"min": 1, "max": 12}},
    {"name": "width", "int": {"min": 16, "max": 512}},
    {"name": "optimizer", "categorical": {"choices": ["adam", "sgd", "rmsprop"]}},
]
_FIRST = 10
"""So many trials are not measured: the first one imports, and reads the file."""
_LIMIT_BYTES = 64 * 1024


def the_job(algorithm: str, trials: int) -> TuningJob:
    job = a_job(
        python="train:objective", trials=trials, parameters=PARAMETERS, algorithm={"name": algorithm, "seed": 1}
    )
    return TuningJob.model_validate(job)


def loss(params: Mapping[str, Any]) -> float:
    """Any function of the parameters."""
    rate, dropout = math.log10(params["learning_rate"]), params["dropout"]
    found: float = (rate + 2) ** 2 + (dropout - 0.2) ** 2 + abs(params["layers"] - 5) / 10 + params["width"] / 1000
    return found


class NoOp:
    """A slot whose trials take no time, and which notes the processor time at each."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    async def prepare(self) -> None:
        """Nothing to load."""

    async def evaluate(self, proposal: Proposal, on_report: OnReport) -> Outcome:
        self.moments.append(time.process_time())
        value = loss(proposal.params)
        return Succeeded((value,), {"rmse": value})

    async def close(self) -> None:
        """Nothing to end."""


def fill(folder: Path, further: int) -> dict[int, Path]:
    """Files whose study lacks so many trials to each of the sizes; all are drawn at random."""
    job = the_job("Random", SIZES[-1])
    space = SearchSpace(job.spec.parameters, []).distributions
    storage = RDBStorage("sqlite://")  # in memory: on a disk each trial would wait for it
    study = optuna.create_study(storage=storage, study_name=study_name(job))
    drawn, files = optuna.create_study(sampler=RandomSampler(seed=0)), {}
    for number in range(further + 1, SIZES[-1] + 1):
        params = drawn.ask(dict(space)).params
        study.add_trial(
            create_trial(params=params, distributions=dict(space), value=loss(params), user_attrs={ATTEMPTS: 1})
        )
        if number in SIZES:
            files[number] = folder / f"{number}.db"
            with closing(sqlite3.connect(files[number])) as copy:
                storage.engine.raw_connection().driver_connection.backup(copy)  # type: ignore[union-attr]
    return files


def engine(job: TuningJob, ledger: Ledger, thread: StudyThread, slot: NoOp, folder: Path) -> Engine:
    place = Place(folder / "work", None, folder / "checkpoints")
    return Engine(ledger, thread, [slot], place, job.spec.objectives, lambda: job.spec, ledger.combinations)


def ours(folder: Path, algorithm: str, total: int, further: int) -> dict[str, float]:
    """Milliseconds of processor for a trial, a status and a look at the importances; the size of the status."""
    logging.basicConfig(level=logging.INFO, handlers=[logging.FileHandler(os.devnull)])
    job, thread, slot = the_job(algorithm, total), StudyThread(), NoOp()
    ledger = Ledger(open_storage(sqlite_url(folder)), job)
    asyncio.run(engine(job, ledger, thread, slot, folder).run())
    trials = ledger.trials()
    assert len(trials) == total
    assert len(slot.moments) == further
    began = time.process_time()
    importance = importances(ledger.study)
    looked = time.process_time()
    found = status(trials, job.spec.objectives, job.spec.budget, None, importance, at_rest=False)
    return {
        "trial": _mean(slot.moments[_FIRST:]),
        "importance": 1000 * (looked - began),
        "status": 1000 * (time.process_time() - looked),
        "bytes": len(json.dumps(found)),
    }


def whole(folder: Path, algorithm: str, total: int, _: int) -> dict[str, float]:
    """Milliseconds of processor for each of the last hundred trials before the sizes, from an empty study on."""
    job, thread, slot = the_job(algorithm, total), StudyThread(), NoOp()
    ledger = Ledger(open_storage(sqlite_url(folder)), job)
    asyncio.run(engine(job, ledger, thread, slot, folder).run())
    return {str(size): _mean(slot.moments[size - 100 : size]) for size in SIZES}


def plain(folder: Path, algorithm: str, total: int, further: int) -> dict[str, float]:
    """The same of a trial of Optuna alone."""
    job = the_job(algorithm, total)
    space = SearchSpace(job.spec.parameters, []).distributions
    study = optuna.load_study(
        storage=open_storage(sqlite_url(folder)), study_name=study_name(job), sampler=SAMPLERS[algorithm]()
    )
    moments = []
    for _ in range(further):
        trial = study.ask(dict(space))
        moments.append(time.process_time())
        study.tell(trial, loss(trial.params))
    return {"trial": _mean(moments[_FIRST:])}


def _mean(moments: Sequence[float]) -> float:
    """Milliseconds between two."""
    return 1000 * (moments[-1] - moments[0]) / (len(moments) - 1)


WAYS = {"ours": ours, "plain": plain, "whole": whole}


def most_memory() -> float:
    """MiB that this process held at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def one(way: str, filled: Path | None, algorithm: str, total: int, further: int) -> dict[str, float]:
    """A measurement in a process of its own, on a copy."""
    with tempfile.TemporaryDirectory() as folder:
        if filled:
            shutil.copyfile(filled, Path(folder) / "study.db")
        argv = [sys.executable, __file__, "--one", way, folder, algorithm, str(total), str(further)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way} {algorithm} of {total}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(algorithm: str, files: Mapping[int, Path], further: int) -> None:
    """The rows of an algorithm."""
    first: dict[str, float] = {}
    for total, filled in files.items():
        measured = {way: one(way, filled, algorithm, total, further) for way in ("ours", "plain")}
        mine, theirs = measured["ours"], measured["plain"]
        for way in measured:
            first.setdefault(way, measured[way]["trial"])
        cells = [
            f"{algorithm}, {total:,}",
            f"{mine['trial']:.1f}",
            f"{theirs['trial']:.1f}",
            f"{mine['trial'] / theirs['trial']:.2f}",
            f"{mine['trial'] / first['ours']:.1f}",
            f"{theirs['trial'] / first['plain']:.1f}",
            f"{mine['memory']:.0f}",
            f"{theirs['memory']:.0f}",
            f"{mine['status']:.0f}",
            f"{mine['importance']:.0f}",
            f"{mine['bytes']:.0f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
        if mine["bytes"] > _LIMIT_BYTES:
            sys.exit(f"the status has {mine['bytes']} bytes, more than {_LIMIT_BYTES}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--further", type=int, default=60, help="the trials that are run (default: 60)")
    parser.add_argument("--whole", action="store_true", help="also let the engine run all trials itself")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if options.one:
        way, folder, algorithm, total, further = options.one
        found = WAYS[way](Path(folder), algorithm, int(total), int(further))
        print(json.dumps(found | {"memory": most_memory()}))
        return
    print(f"{os.cpu_count()} processors, Python {platform.python_version()}, Optuna {version('optuna')}\n")
    with tempfile.TemporaryDirectory() as folder:
        files = fill(Path(folder), options.further)
        print(
            "| ms of processor for a trial of ... | ours | plain Optuna | ours to plain | ours to its 100 |"
            " plain to its 100 | MiB, ours | MiB, plain | ms for a status | ms for importances | bytes of status |"
        )
        print("|---|" + "---|" * 10, flush=True)
        for algorithm in options.algorithms:
            show(algorithm, files, options.further)
    if options.whole:
        found = one("whole", None, "Random", SIZES[-1], 0)
        memory = found.pop("memory")
        cells = ", ".join(f"{value:.1f} before {int(size):,}" for size, value in found.items())
        print(f"\nRandom, {SIZES[-1]:,} trials in one run: ms of processor for a trial: {cells}; {memory:.0f} MiB")


if __name__ == "__main__":
    main()
