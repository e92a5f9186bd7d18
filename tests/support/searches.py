"""Searches for tests: a TuningJob in a line, run in this process, as a driver, or as a user at a laptop."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import optuna
import sqlalchemy
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import FrozenTrial

from afina_api.tuningjob import TuningJob
from afina_jobs.engine import Listener
from afina_jobs.objectives.base import Place
from afina_jobs.process.environment import trial_environment
from afina_jobs.session import make_engine, open_ledger
from afina_jobs.stopping import Verdict
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.opening import study_name
from afina_jobs.study.storage import open_storage, sqlite_url
from afina_jobs.study.thread import StudyThread

Json = dict[str, Any]

X = {"name": "x", "float": {"min": 0, "max": 1}}
N = {"name": "n", "int": {"min": 1, "max": 9}}


def a_job(
    *,
    python: str | None = None,
    script: str | None = None,
    argv: Sequence[str] | None = None,
    builtin: Json | None = None,
    trial: Json | None = None,
    trials: int = 3,
    parallel: int = 1,
    failures: int = 0,
    timeout: int | None = None,
    goal: str = "Minimize",
    target: float | None = None,
    metric: str = "rmse",
    objectives: Sequence[Json] = (),
    parameters: Sequence[Json] = (X, N),
    algorithm: Json | None = None,
    pruning: str | Json | None = None,
    engine: str | None = None,
    constraints: Sequence[Json] = (),
    name: str = "a-job",
    uid: str = "",
) -> Json:
    """A TuningJob as its file says it. Give one of python (entrypoint), script (for sh), argv or builtin."""
    kinds: Json = {"python": {"entrypoint": python}} if python else {}
    kinds |= {"command": {"argv": ["sh", "-c", script]}} if script else {}
    kinds |= {"command": {"argv": list(argv)}} if argv else {}
    kinds |= {"builtin": builtin} if builtin else {}
    spec: Json = {
        "objectives": list(objectives)
        or [{"metric": metric, "goal": goal} | ({} if target is None else {"target": target})],
        "parameters": list(parameters),
        "algorithm": {"seed": 1} if algorithm is None else algorithm,
        "budget": {"maxTrials": trials, "parallelTrials": parallel, "maxFailedTrials": failures}
        | ({} if timeout is None else {"timeoutSeconds": timeout}),
        "trial": kinds | (trial or {}),
    }
    spec |= {"pruning": {"name": pruning} if isinstance(pruning, str) else pruning} if pruning else {}
    spec |= {"constraints": list(constraints)} if constraints else {}
    spec |= {"execution": {"engine": engine}} if engine else {}
    metadata = {"name": name, "namespace": "a-team", "uid": uid}
    return {"apiVersion": "afina.dev/v1alpha1", "kind": "TuningJob", "metadata": metadata, "spec": spec}


def in_memory() -> RDBStorage:
    """What a ledger takes for a database that nobody will open again, and a search is ten times as fast with."""
    return cast(RDBStorage, _InMemory())


class _InMemory(InMemoryStorage):
    engine = sqlalchemy.create_engine("sqlite://")
    """Which a ledger lets go of in the end."""


@dataclass
class Search:
    """A search whose engine runs in the test's own event loop, on the files of a folder."""

    folder: Path
    job: Json
    files: Mapping[str, str] = field(default_factory=dict)
    listeners: Sequence[Listener] = ()

    @property
    def model(self) -> TuningJob:
        return TuningJob.model_validate(self.job)

    async def run(self) -> Verdict:
        """Search to the end, or until cancelled."""
        job, thread = self.model, StudyThread()
        ledger = await open_ledger(job, sqlite_url(self.folder), thread)
        try:
            return await self._run(job, ledger, thread)
        finally:
            await thread(ledger.close)

    async def _run(self, job: TuningJob, ledger: Ledger, thread: StudyThread) -> Verdict:
        env = trial_environment(job.spec.trial)
        place = Place(
            self.folder / "work", write_files(self.folder / "source", self.files), self.folder / "checkpoints"
        )
        return await make_engine(job, lambda: job.spec, ledger, thread, env, place, self.listeners).run()

    def trials(self) -> list[FrozenTrial]:
        """What the storage has."""
        return stored_trials(sqlite_url(self.folder), self.model)


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Files in a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def stored_trials(url: str, job: TuningJob) -> list[FrozenTrial]:
    """The trials of a job's study; none of one that has not begun."""
    storage = open_storage(url)
    try:
        return optuna.load_study(storage=storage, study_name=study_name(job)).get_trials()
    except KeyError:
        return []
    finally:
        storage.engine.dispose()


@dataclass
class Driver:
    """The driver as a pod runs it, but for the pod."""

    folder: Path
    job: Json
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    study: Path | None = None

    def __post_init__(self) -> None:
        self.study = self.study or self.folder / "study"
        self.study.mkdir(exist_ok=True)
        write_files(self.folder / "source", self.files)
        self.write_spec(self.job)

    @property
    def spec(self) -> Path:
        """The mounted spec."""
        return self.folder / "tuningjob.json"

    def write_spec(self, job: Json) -> None:
        """Put the spec in its place at once, as the kubelet does."""
        self.job = job
        fresh = self.spec.with_suffix(".new")
        fresh.write_text(json.dumps(job))
        fresh.replace(self.spec)

    def start(self, *prefix: str) -> subprocess.Popen[bytes]:
        """Start it; its output goes to a file."""
        settings = {
            "AFINA_SPEC": str(self.spec),
            "AFINA_SOURCE": str(self.folder / "source"),
            "AFINA_STUDY": str(self.study),
            "AFINA_WORKSPACE": str(self.folder / "work"),
            "AFINA_TERMINATION_LOG": str(self.folder / "termination-log"),
        }
        with (self.folder / "log").open("ab") as log:
            command = [*prefix, sys.executable, "-m", "afina_jobs.driver"]
            env = {**os.environ, **settings, **self.env}
            return subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def run(self, *prefix: str) -> int:
        """Run it to its end; the exit code."""
        with self.start(*prefix) as process:
            return process.wait()

    def terminated(self) -> Json:
        """What it left in the termination log."""
        found: Json = json.loads((self.folder / "termination-log").read_text())
        return found

    def log(self) -> str:
        """All that it logged."""
        return (self.folder / "log").read_text()

    def trials(self) -> list[FrozenTrial]:
        """What the storage has."""
        url = self.env.get("AFINA_STORAGE_URL", f"sqlite:///{self.study}/study.db")
        return stored_trials(url, TuningJob.model_validate(self.job))


def processes_with(marker: str) -> list[int]:
    """Processes whose command line has this text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if marker in command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 240) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
