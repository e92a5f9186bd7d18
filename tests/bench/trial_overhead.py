"""What a trial costs beside its own work: our engines next to plain Ray Tune, on an objective that does nothing.

Each runs the same number of trials, one at a time, in a process of its own; the rounds take turns. A trial's overhead
is the time from the begin of the first to the end of the last, by the number of trials; the start is what comes before.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

KINDS = {
    "Process": "afina, engine Process",
    "RayTune": "afina, engine RayTune",
    "reuse": "Ray Tune, reuse_actors",
    "new": "Ray Tune, new actors",
}
NO_OP = "def objective(params, trial):\n    return 0.0\n"


def ours(engine: str, trials: int) -> tuple[float, float]:
    """Seconds before the first trial, and of a trial."""
    from support.searches import Search, a_job

    with tempfile.TemporaryDirectory() as folder:
        job = a_job(python="train:objective", engine=engine, trials=trials, algorithm={"name": "Random", "seed": 1})
        search = Search(Path(folder), job, {"train.py": NO_OP})
        started = time.time()
        asyncio.run(search.run())
        found = search.trials()
    first = min(trial.datetime_start.timestamp() for trial in found if trial.datetime_start)
    last = max(trial.datetime_complete.timestamp() for trial in found if trial.datetime_complete)
    return first - started, (last - first) / trials


def theirs(kind: str, trials: int) -> tuple[float, float]:
    """The same of plain Tune."""
    import ray
    from ray import tune

    moments: list[float] = []

    class Clock(tune.Callback):
        def on_trial_start(self, *_: Any, **__: Any) -> None:
            moments.append(time.time())

        def on_trial_complete(self, *_: Any, **__: Any) -> None:
            moments.append(time.time())

    def objective(config: dict[str, Any]) -> None:
        tune.report({"loss": 0.0})

    started = time.time()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            objective,
            param_space={"x": tune.uniform(0, 1), "n": tune.randint(1, 9)},
            tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=kind == "reuse", max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Clock()]),
        ).fit()
    return moments[0] - started, (moments[-1] - moments[0]) / trials


def main() -> None:
    """Run the rounds and print the table; with --one, measure one and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=KINDS)
    options = parser.parse_args()
    if options.one:
        measure = ours if options.one in ("Process", "RayTune") else theirs
        print(json.dumps(measure(options.one, options.trials)))
        return
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind, measured in found.items():
            measured.append(one(kind, options.trials))
    print(f"{os.cpu_count()} processors, Python {platform.python_version()}, Ray {version('ray')}, ", end="")
    print(f"Optuna {version('optuna')}; {options.trials} trials, the median of {options.rounds} rounds\n")
    print("| | before the first trial | a trial | of new actors |\n|---|---|---|---|")
    slowest = statistics.median(trial for _, trial in found["new"])
    for kind, measured in found.items():
        start, trial = (statistics.median(values) for values in zip(*measured, strict=True))
        print(f"| {KINDS[kind]} | {start:.1f} s | {trial * 1000:.0f} ms | {trial / slowest:.3f} |")


def one(kind: str, trials: int) -> tuple[float, float]:
    """A measurement in a process of its own."""
    # Both are told to write no files of their own beside each trial; by default Tune does, and takes longer.
    env = os.environ | {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_raylet_start_wait_time_s": "180"}
    argv = [sys.executable, __file__, "--one", kind, "--trials", str(trials)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind}: {done.stderr}")
    start, trial = json.loads(done.stdout.splitlines()[-1])
    return start, trial


if __name__ == "__main__":
    main()
