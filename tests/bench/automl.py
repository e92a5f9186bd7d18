"""AutoML at an equal, small budget: ours, FLAML, AutoGluon and a LightGBM as it comes, on the same folds.

Run by hand: `make bench-automl`. Each system gets one core, the same rows and the same seconds, in a process of its
own; the rows to predict are without their target. What counts is the mean rank, and the gap in AUC to the best of the
others. Memory is the peak of the process and its children together, sampled; time is from the process's start to its
predictions, with all that loading and writing take.

The peers need packages that conflict with ours: they live in a virtual environment of their own.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.stats import rankdata
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold

from afina_api import API_VERSION

SYSTEMS = ("afina", "flaml", "autogluon", "lightgbm")
_HERE = Path(__file__).parent
_SAMPLE_SECONDS = 0.2
_SEARCH_SHARE = 0.6
"""Of the seconds, our search: its budget does not hold what comes before and after it, and theirs do."""
_HOLDOUT_SHARE = 0.02
"""Of the rows, those that our report is about: the fold that is left out is a holdout already, and peers learn from
all of the others."""


@dataclass(frozen=True)
class Task:
    """A table and what is to be predicted in it."""

    name: str
    target: str
    is_class: bool


@dataclass(frozen=True)
class Result:
    """How a system did on one fold."""

    task: str
    fold: int
    system: str
    score: float
    """AUC, or R2."""
    seconds: float
    mebibytes: float
    coverage: float | None
    """Ours, of numbers: share of the truths within the 95 % interval."""


TASKS = (
    Task("Caravan", "Purchase", is_class=True),
    Task("Default", "default", is_class=True),
    Task("401ksubs", "e401k", is_class=True),
    Task("randhie", "mdvis", is_class=False),
    Task("fair", "affair", is_class=True),
    Task("loanapp", "approve", is_class=True),
    Task("breast_cancer", "target", is_class=True),
    Task("Bikeshare", "bikers", is_class=False),
)


def main() -> None:
    """Run the systems and print how they did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=Path, help="the peers' virtual environment")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--only-folds", type=int, help="so many of them", default=None)
    parser.add_argument("--tasks", nargs="*", choices=[task.name for task in TASKS])
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:1])
    options = parser.parse_args()
    chosen = [task for task in TASKS if not options.tasks or task.name in options.tasks]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([options.peers / "bin" / "python", _HERE / "automl_peers.py", "data", root], check=True)
        work = [(task, fold, system) for task in chosen for fold, system in _plan(options)]
        cores: Queue[int] = Queue()
        for core in options.cores:
            cores.put(core)

        def one(task: Task, fold: int, system: str) -> Result:
            core = cores.get()
            try:
                found = _run(task, fold, system, root, options, core)
            finally:
                cores.put(core)
            print(f"{found.task:14} fold {fold} {system:10} {found.score:.4f} {found.seconds:5.0f} s", flush=True)
            return found

        with ThreadPoolExecutor(len(options.cores)) as pool:
            results = list(pool.map(lambda job: one(*job), work))
    print(_told(results))


def _plan(options: argparse.Namespace) -> Iterator[tuple[int, str]]:
    for fold in range(options.only_folds or options.folds):
        for system in SYSTEMS:
            yield fold, system


def _run(task: Task, fold: int, system: str, root: Path, options: argparse.Namespace, core: int) -> Result:
    frame = pd.read_parquet(root / f"{task.name}.parquet")
    splitter = StratifiedKFold if task.is_class else KFold
    parts = list(splitter(options.folds, shuffle=True, random_state=0).split(frame, frame[task.target]))
    train, test = (frame.iloc[rows] for rows in parts[fold])
    folder = root / f"{task.name}-{fold}-{system}"
    folder.mkdir()
    train.to_parquet(folder / "train.parquet", index=False)
    test.drop(columns=task.target).to_parquet(folder / "test.parquet", index=False)
    began = time.monotonic()
    mebibytes = _measured(_command(task, system, folder, options), folder, core)
    seconds = time.monotonic() - began
    predicted, truth = np.load(folder / "predicted.npy"), test[task.target].to_numpy()
    value = roc_auc_score(truth, predicted) if task.is_class else r2_score(truth, predicted)
    return Result(task.name, fold, system, float(value), seconds, mebibytes, _coverage(folder, truth, predicted))


def _command(task: Task, system: str, folder: Path, options: argparse.Namespace) -> list[str]:
    kind = "class" if task.is_class else "number"
    if system != "afina":
        python, script = str(options.peers / "bin" / "python"), str(_HERE / "automl_peers.py")
        return [python, script, system, str(folder), task.target, kind, str(options.seconds)]
    _write_spec(task, folder, round(options.seconds * _SEARCH_SHARE))
    return [sys.executable, str(_HERE / "automl_ours.py"), str(folder)]


def _write_spec(task: Task, folder: Path, seconds: int) -> None:
    source = {"volume": {"claimRef": {"name": "here"}, "path": "train.parquet"}}
    job = {
        "datasetRef": {"name": "train"},
        "target": task.target,
        "task": "Classification" if task.is_class else "Regression",
        "metric": "AUC" if task.is_class else "RMSE",
        "budget": {"timeSeconds": seconds},
        "validation": {"holdoutShare": _HOLDOUT_SHARE},
    }
    documents: list[dict[str, Any]] = [
        {"kind": "Dataset", "metadata": {"name": "train"}, "spec": {"source": source, "format": "Parquet"}},
        {"kind": "AutoMLJob", "metadata": {"name": "model"}, "spec": job},
    ]
    text = yaml.safe_dump_all([{"apiVersion": API_VERSION, **document} for document in documents])
    (folder / "spec.yaml").write_text(text)


def _measured(command: Sequence[str], folder: Path, core: int) -> float:
    """Run on one core; the peak of its memory, children included, in MiB."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=folder,
            env=os.environ | threads,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        peak = _Peak(process.pid)
        peak.start()
        code = process.wait()
        peak.ended.set()
        peak.join()
    if code:
        raise SystemExit(f"{' '.join(command)} has failed:\n{(folder / 'log.txt').read_text()[-3000:]}")
    return peak.bytes / 2**20


class _Peak(threading.Thread):
    """Samples the resident memory of a session's processes; pages that they share count once for each."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self.ended = threading.Event()
        self._session = session

    def run(self) -> None:
        while not self.ended.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, sum(self._resident()))

    def _resident(self) -> Iterator[int]:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
                if session == self._session:
                    yield int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, ValueError, IndexError):  # it has ended
                continue


def _coverage(folder: Path, truth: Any, predicted: Any) -> float | None:
    file = folder / "half_width.json"
    return float(np.mean(np.abs(truth - predicted) <= json.loads(file.read_text()))) if file.exists() else None


def _told(results: Sequence[Result]) -> str:
    table = pd.DataFrame([vars(result) for result in results])
    scores = table.pivot_table(index="task", columns="system", values="score", sort=False)[list(SYSTEMS)]
    ranks = pd.DataFrame(rankdata(-scores.round(4), axis=1), scores.index, scores.columns)
    others = [system for system in SYSTEMS if system != "afina"]
    is_class = [task.name for task in TASKS if task.is_class and task.name in scores.index]
    gap = (scores.loc[is_class, others].max(axis=1) - scores.loc[is_class, "afina"]).mean()
    means = table.groupby("system")[["seconds", "mebibytes"]].agg({"seconds": "mean", "mebibytes": "max"})
    covered = table[table.coverage.notna()].groupby("task").coverage.mean()
    return "\n\n".join(
        [
            "Score on the rows left out, mean of the folds: AUC, or R2 of numbers",
            scores.round(4).to_string(),
            f"Mean rank\n{ranks.mean().round(2).to_string()}",
            f"Mean gap in AUC to the best of the others: {gap:.4f}",
            f"Mean seconds, peak MiB\n{means.loc[list(SYSTEMS)].round(0).to_string()}",
            f"Share of the truths within our 95 % interval\n{covered.round(3).to_string()}",
        ]
    )


if __name__ == "__main__":
    main()
