"""What matters in a pod: memory shared with the trials, being process 1, and secrets. Needs root."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from afina_jobs.process.memory import CGROUPS
from afina_jobs.study.ledger import MESSAGE, REASON
from afina_jobs.study.retries import retries_of
from support.searches import Driver, a_job, wait_for

LIMIT = 400 * 2**20
HOG = "blocks = [bytearray(2 ** 24) for _ in range(1000)]"
ONE = "echo '{\"rmse\": 1}'"


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup with a limit on memory, of whichever version this machine has."""
    old = (CGROUPS / "memory").is_dir()
    folder = (CGROUPS / "memory" if old else CGROUPS) / f"afina-test-{os.getpid()}"
    folder.mkdir()
    (folder / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(LIMIT))
    yield folder
    wait_for(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


@pytest.mark.parametrize(
    "job",
    [
        a_job(argv=["python3", "-c", HOG], failures=1, trials=2),
        a_job(script=f'echo start; python3 -c "{HOG}"', failures=1, trials=2),
        a_job(script=f'python3 -c "{HOG}" & wait $!', failures=1, trials=2),
        a_job(python="train:objective", failures=1, trials=2),
    ],
    ids=["command", "child of a command", "child that was forked", "function"],
)
def test_survives_a_trial_that_uses_all_the_memory(job: dict[str, object], tmp_path: Path, cgroup: Path) -> None:
    files = {"train.py": f"def objective(params, trial):\n    {HOG}\n"}
    driver = Driver(tmp_path, job, files)
    join = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs; exec "$@"', "sh"]
    assert driver.run(*join) == 10
    trials = driver.trials()
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 2
    assert [trial.user_attrs[REASON] for trial in trials] == ["OutOfMemory"] * 2
    assert "raise trial.resources.memory" in trials[0].user_attrs[MESSAGE]


def test_runs_a_trial_alone_that_had_too_little_memory_beside_another(tmp_path: Path, cgroup: Path) -> None:
    """Two have no room side by side; each of them has where the driver alone is beside it."""
    hungry = "import time; block = bytearray(180 * 2**20); time.sleep(3); print('{\"rmse\": 1}')"
    driver = Driver(tmp_path, a_job(argv=["python3", "-c", hungry], trials=2, parallel=2))
    join = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs; exec "$@"', "sh"]
    assert driver.run(*join) == 0
    trials = driver.trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2
    assert {"OutOfMemory": 1} in [retries_of(trial.user_attrs) for trial in trials]
    assert "is run again for OutOfMemory" in driver.log()


def test_buries_the_dead_when_it_is_process_1(tmp_path: Path) -> None:
    # Each trial leaves a child behind, which is killed with it and becomes a child of process 1.
    script = f"sleep 1000 & [ $AFINA_TRIAL_NUMBER != 4 ] || ps -e -o state= > ../../states; {ONE}"
    driver = Driver(tmp_path, a_job(script=script, trials=5))
    assert driver.run("unshare", "--pid", "--fork", "--mount-proc", "--kill-child") == 0
    # The last ones may still be dying when it looks.
    assert (tmp_path / "states").read_text().count("Z") < 3


def test_stops_as_process_1_even_while_it_starts(tmp_path: Path) -> None:
    for seconds in (0, 0.3, 0.9, 2.1):
        driver = Driver(tmp_path, a_job(script="sleep 1000"))
        process = driver.start("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: children.read_text() and _catches(children.read_text().strip(), signal.SIGTERM))  # noqa: B023
        time.sleep(seconds)
        os.kill(int(children.read_text()), signal.SIGTERM)
        assert process.wait(20) == 143


def _catches(process: str, number: signal.Signals) -> bool:
    """Whether the process has begun to: the kernel lets nobody end process 1 of a namespace before."""
    (caught,) = re.findall(r"SigCgt:\s+(\w+)", Path(f"/proc/{process}/status").read_text())
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_keeps_its_secrets_from_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    script = f"env > ../../env; cat /proc/$PPID/environ > ../../parent; {ONE}"
    url = f"sqlite:///{tmp_path}/hidden.db"
    env = {"AFINA_STORAGE_URL": url, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KEPT": "yes"}
    own = {"env": [{"name": "OWN", "value": "1"}], "resources": {"cpu": "1500m"}}
    job = a_job(script=script, trials=1, trial=own)
    driver = Driver(tmp_path, job, env=env)
    # Without capabilities root is a user like any other.
    assert driver.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs") == 0
    seen = (tmp_path / "env").read_text()
    assert "hidden.db" not in seen
    assert "KUBERNETES_" not in seen
    assert (tmp_path / "parent").read_text() == ""
    for line in ("KEPT=yes", "OWN=1", "OMP_NUM_THREADS=2", "AFINA_TRIAL_NUMBER=0", "MLFLOW_DISABLE_TELEMETRY=true"):
        assert line in seen.splitlines()
