"""Hybrid next to Optuna's samplers: regret at 10, 20, 30 and 50 trials, and processor time of a proposal.

Run by hand: `make bench-search`. The problems are told in search_tasks.py; none of them was looked at while the
sampler was designed, but for one run on one of the tables. All have Optuna's defaults. "Hybrid, warm" knows a search
of 50 trials on each of the other three tables. Each system meets the same measurements' seeds; the tests are
Wilcoxon's for pairs, two-sided, not corrected for their number. With --hebo (`make bench-search-hebo`) only the tables
are searched, by HEBO too, and for 30 trials: it takes seconds a proposal.
"""

import argparse
import itertools
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before NumPy

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import create_trial
from scipy.stats import wilcoxon

from afina_jobs.search import HybridSampler
from bench.search_tasks import DESIGN, FUNCTIONS, TABLES, task

TRIALS = 50
SHOWN = (10, 20, 30, 50)
SYSTEMS: dict[str, Callable[[int], BaseSampler]] = {
    "Random": lambda seed: RandomSampler(seed=seed),
    "TPE": lambda seed: TPESampler(seed=seed),
    "GPSampler": lambda seed: GPSampler(seed=seed),
    "Hybrid": lambda seed: HybridSampler(seed=seed),
}
WARM = "Hybrid, warm"
HEBO = "HEBO"
_EARLIER = 10_000
"""Added to the seed of the searches that the warm one knows."""


def search(name: str, sampler: BaseSampler, seed: int, trials: int = TRIALS) -> tuple[optuna.Study, list[float]]:
    """A search, and the regret of the best measurement after each trial."""
    problem, rng = task(name), np.random.default_rng(seed)
    study = optuna.create_study(sampler=sampler)
    regrets = []
    for _ in range(trials):
        trial = study.ask(problem.space)
        study.tell(trial, problem.measure(trial.params, rng))
        regrets.append(problem.regret(study.best_trial.params))
    return study, regrets


@cache
def earlier(name: str, seed: int) -> optuna.Study:
    return search(name, SYSTEMS["Hybrid"](seed + _EARLIER), seed + _EARLIER)[0]


def search_by_hebo(python: str, name: str, seed: int, trials: int) -> list[float]:
    """The regrets of HEBO, which runs in an environment of its own."""
    problem, rng = task(name), np.random.default_rng(seed)
    argv = [python, str(Path(__file__).with_name("search_hebo.py")), str(seed), json.dumps(_as_hebo_says(name))]
    regrets, lowest, regret = [], math.inf, math.inf
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        for line in itertools.islice(process.stdout, trials):
            params = json.loads(line)
            loss = problem.measure(params, rng)
            if loss < lowest:
                lowest, regret = loss, problem.regret(params)
            regrets.append(regret)
            if len(regrets) < trials:
                print(loss, file=process.stdin, flush=True)
    if len(regrets) < trials:
        raise RuntimeError(f"HEBO ended after {len(regrets)} trials")
    return regrets


def _as_hebo_says(name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for parameter, distribution in task(name).space.items():
        if isinstance(distribution, CategoricalDistribution):
            found.append({"name": parameter, "type": "cat", "categories": list(distribution.choices)})
        elif isinstance(distribution, IntDistribution):
            found.append({"name": parameter, "type": "int", "lb": distribution.low, "ub": distribution.high})
    return found


def run(job: tuple[str, str, int], trials: int, hebo: str) -> list[float]:
    """The regrets of one system on one task with one seed."""
    system, name, seed = job
    if system == HEBO:
        return search_by_hebo(hebo, name, seed, trials)
    if system != WARM:
        return search(name, SYSTEMS[system](seed), seed, trials)[1]
    history = [earlier(other, seed) for other in TABLES if other != name]
    return search(name, HybridSampler(seed=seed, search_space=task(name).space, history=history), seed)[1]


Regrets = NDArray[np.float64]
"""Of one system; shape (runs, trials)."""


def compared(
    pool: ProcessPoolExecutor,
    systems: Sequence[str],
    tasks: Sequence[str],
    seeds: int,
    trials: int = TRIALS,
    hebo: str = "",
) -> dict[str, Regrets]:
    """Every system on every task with every seed."""
    jobs = [(system, name, seed) for name in tasks for seed in range(seeds) for system in systems]
    regrets = dict(zip(jobs, _told(pool.map(partial(run, trials=trials, hebo=hebo), jobs), len(jobs)), strict=True))
    return {
        system: np.array([regrets[system, name, seed] for name in tasks for seed in range(seeds)]) for system in systems
    }


def _told(results: Iterable[list[float]], total: int) -> Iterable[list[float]]:
    for done, result in enumerate(results, 1):
        if done % 20 == 0 or done == total:
            print(f"\r{done} of {total} searches", end="", file=sys.stderr, flush=True)
        yield result
    print(file=sys.stderr)


def show_regrets(found: dict[str, Regrets]) -> None:
    """Medians over all runs."""
    shown = _shown(found)
    print(f"| | {' | '.join(f'{trials} trials' for trials in shown)} | trials to Random's result at 30 |")
    print("|---|" + "---|" * (len(shown) + 1))
    goal = np.median(found["Random"][:, 29])
    for system, regrets in found.items():
        medians = np.median(regrets, axis=0)
        reached = np.flatnonzero(medians <= goal)
        cells = [f"{medians[trials - 1]:.3f}" for trials in shown]
        print(f"| {system} | {' | '.join(cells)} | {reached[0] + 1 if len(reached) else f'over {len(medians)}'} |")
    print()


def show_pairs(found: dict[str, Regrets], pairs: Sequence[tuple[str, str]]) -> None:
    """Ratios of the medians, and whether they may be chance."""
    shown = _shown(found)
    print("| median of ... to that of ... | " + " | ".join(f"{trials} trials" for trials in shown) + " |")
    print("|---|" + "---|" * len(shown))
    for ours, theirs in pairs:
        cells = []
        for trials in shown:
            a, b = found[ours][:, trials - 1], found[theirs][:, trials - 1]
            p = wilcoxon(a, b).pvalue if (a != b).any() else 1.0
            cells.append(f"{np.median(a) / np.median(b):.2f}x (p = {p:.2g})")
        print(f"| {ours} to {theirs} | {' | '.join(cells)} |")
    print()


def _shown(found: dict[str, Regrets]) -> list[int]:
    there = min(regrets.shape[1] for regrets in found.values())
    return [trials for trials in SHOWN if trials <= there]


def show_time(known: Sequence[int]) -> None:
    """Processor time of a proposal when so many trials have ended, on the first table."""
    print(
        "| ms of processor time for a proposal after ... | " + " | ".join(f"{count} trials" for count in known) + " |"
    )
    print("|---|" + "---|" * len(known))
    times = {system: [_milliseconds(make, count) for count in known] for system, make in SYSTEMS.items()}
    for system, row in times.items():
        print(f"| {system} | {' | '.join(f'{cell:.1f}' for cell in row)} |")
    ratios = zip(times["Hybrid"], times["GPSampler"], strict=True)
    print(f"| Hybrid to GPSampler | {' | '.join(f'{ours / theirs:.2f}x' for ours, theirs in ratios)} |\n")


def _milliseconds(make: Callable[[int], BaseSampler], known: int, repeats: int = 5) -> float:
    problem, rng = task(TABLES[0]), np.random.default_rng(0)
    drawn = search_at_random(known)
    used = []
    for seed in range(repeats + 1):
        study = optuna.create_study(sampler=make(seed))
        study.add_trials(drawn)
        began = time.process_time()
        trial = study.ask(problem.space)
        used.append(time.process_time() - began)
        study.tell(trial, problem.measure(trial.params, rng))
    return 1000 * float(np.median(used[1:]))  # the first one imports


@cache
def search_at_random(trials: int) -> list[optuna.trial.FrozenTrial]:
    problem, rng = task(TABLES[0]), np.random.default_rng(0)
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    asked = [study.ask(problem.space).params for _ in range(trials)]
    return [
        create_trial(params=params, distributions=problem.space, value=problem.measure(params, rng)) for params in asked
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", help="the folder of the packages with the tables and functions")
    parser.add_argument("--seeds", type=int, default=20, help="on each table; a quarter of it on each function")
    parser.add_argument("--design", action="store_true", help="only the tables that the sampler was designed on")
    parser.add_argument("--hebo", help="the interpreter of HEBO's environment: only the tables, HEBO too, 30 trials")
    arguments = parser.parse_args()
    sys.path.append(arguments.packages)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ProcessPoolExecutor(os.cpu_count(), initializer=sys.path.append, initargs=(arguments.packages,)) as pool:
        if arguments.design:
            found = compared(pool, list(SYSTEMS), DESIGN, arguments.seeds)
            show_regrets(found)
            show_pairs(found, [("Hybrid", "TPE"), ("Hybrid", "GPSampler")])
            return
        print(f"HPOLib, {len(TABLES)} tables x {arguments.seeds} seeds\n")
        if arguments.hebo:
            found = compared(pool, [*SYSTEMS, HEBO], TABLES, arguments.seeds, 30, arguments.hebo)
            show_regrets(found)
            show_pairs(found, [("Hybrid", HEBO), ("GPSampler", HEBO), ("TPE", HEBO)])
            return
        found = compared(pool, [*SYSTEMS, WARM], TABLES, arguments.seeds)
        show_regrets(found)
        show_pairs(found, [("Hybrid", "TPE"), ("Hybrid", "GPSampler"), (WARM, "Hybrid")])
        seeds = max(1, arguments.seeds // 4)
        print(f"bbob-mixint, 5 dimensions, {len(FUNCTIONS)} functions x {seeds} seeds\n")
        found = compared(pool, list(SYSTEMS), FUNCTIONS, seeds)
        show_regrets(found)
        show_pairs(found, [("Hybrid", "TPE"), ("Hybrid", "GPSampler")])
    show_time([10, 100, 1000])


if __name__ == "__main__":
    main()
