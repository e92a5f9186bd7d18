"""HybridSampler: an Optuna sampler that learns from this search and from earlier ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from afina_jobs.search.hybrid.acquisition import keys, log_expected_improvement, most_promising
from afina_jobs.search.hybrid.conditions import Declared
from afina_jobs.search.hybrid.gp import one_thread
from afina_jobs.search.hybrid.history import Trends, agreement
from afina_jobs.search.hybrid.observations import Observations, observe
from afina_jobs.search.hybrid.space import Floats, UnitSpace
from afina_jobs.search.hybrid.surrogate import MOST_TRIALS, Limit, best_and_last, fit_surrogate, scalarised
from afina_jobs.search.past import History

STARTUP_TRIALS = 5
"""So many trials come before the first model, when there is no history."""
WARM_TRIALS = 3
"""So many trials follow the history alone."""
BOLD_EVERY = 3
"""Each third proposal of the model goes where the mean less one deviation is least, and not for the improvement."""


class HybridSampler(BaseSampler):
    """Proposes what a Gaussian process over all results so far finds most promising.

    The first trial is the centre of the space, the next few are random. Then each proposal maximises the expected
    improvement on the best expected result, and each third one is bolder. Values are transformed as suits them;
    categories, conditions, constraints, running, pruned and failed trials are taken into account; several objectives
    are joined by other weights in each trial (ParEGO: Knowles, IEEE Transactions on Evolutionary Computation 10(1),
    2006).

    Each earlier study (`history`) adds a trend to the process, whose share is learned; parameters are mapped by name.
    While the results contradict what the history expected of them, it is left out.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        startup_trials: int = STARTUP_TRIALS,
        search_space: Mapping[str, BaseDistribution] | None = None,
        history: Sequence[Study] | History = (),
        conditions: Declared | None = None,
        allowed: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> None:
        """Make a sampler.

        Arguments:
            seed: makes the proposals repeatable.
            startup_trials: so many trials come before the first model, when there is no history.
            search_space: all parameters that there can be. Unset: those of the trials so far, so that the first
                trial can have nothing from the history.
            history: earlier studies of a similar problem.
            conditions: by parameter, those that it depends on, each with the values with which it is there. Unset: they
                are learned from the trials.
            allowed: whether some parameters may be proposed. Where hardly any may, some are that may not.
        """
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed)
        self._startup_trials = startup_trials
        self._search_space = search_space
        self._history = history if isinstance(history, History) else History(history)
        self._conditions = conditions
        self._allowed = allowed

    def reseed_rng(self) -> None:
        """Draw other numbers than a copy of this sampler in another process."""
        self._rng = np.random.default_rng()
        self._random.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters that are known, also those that some trials do not have."""
        found = self._search_space
        if found is None:
            trials = study.get_trials(deepcopy=False)
            found = {name: trial.distributions[name] for trial in trials for name in sorted(trial.distributions)}
        return {name: distribution for name, distribution in found.items() if not distribution.single()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that was not known: its centre in the first trial, else any value."""
        if trial.number == 0:
            space = UnitSpace({param_name: param_distribution})
            return space.decode(space.centre(self._rng))[param_name]
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The most promising parameters."""
        if not search_space:
            return {}
        with one_thread():
            return self._proposal(study, trial, search_space)

    def _proposal(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        space = UnitSpace(search_space)
        seen = observe(study, trial, space, self._conditions)
        trends = self._trends_in(search_space)
        if len(trends) and len(seen.points) < WARM_TRIALS:
            return space.decode(self._expected_by_history(space, seen, trends))
        self._history.agreement = agreement(seen.points, seen.values, trends)
        if self._history.agreement is not None and self._history.agreement <= 0:
            trends = Trends((), search_space)
        if trial.number == 0:
            return space.decode(space.centre(self._rng))
        if not len(seen.points) or (len(seen.points) < self._startup_trials and not len(trends)):
            return space.decode(space.random(self._rng, 1)[0])
        return space.decode(self._by_model(space, seen, trends, trial.number))

    def _trends_in(self, search_space: Mapping[str, BaseDistribution]) -> Trends:
        known: Trends | None = self._history.learned
        if known is None or known.space != search_space:
            self._history.learned = known = Trends(self._history.searches, search_space, self._conditions)
        return known

    def _expected_by_history(self, space: UnitSpace, seen: Observations, trends: Trends) -> Floats:
        """What did best in earlier searches; but the second trial is drawn, to tell whether they help at all."""
        anywhere = space.random(self._rng, 1)
        if len(seen.points) + len(seen.pending) == 1:
            drawn: Floats = anywhere[0]
            return drawn

        def score(candidates: Floats) -> Floats:
            expected: Floats = trends.predict(candidates).mean(axis=1)
            return -expected

        return most_promising(space, score, anywhere, self._proposable(space, seen), seen.conditions, self._rng)

    def _by_model(self, space: UnitSpace, seen: Observations, trends: Trends, number: int) -> Floats:
        values = scalarised(seen.values, self._rng)
        excess = np.maximum(seen.violations, 0).sum(axis=1)
        standing = np.argsort(np.lexsort((values, excess))).astype(float)
        chosen = best_and_last(standing, MOST_TRIALS)
        points, order = seen.points[chosen], np.argsort(standing[chosen])
        process = fit_surrogate(points, values[chosen], space.categorical, trends.predict(points))
        process = process.believing(seen.pending, trends.predict(seen.pending))
        limits = [Limit(column, points, space.categorical) for column in seen.violations[chosen].T]
        feasible = points[excess[chosen] == 0]
        incumbent = process.predict(feasible, trends.predict(feasible))[0].min(initial=np.inf)
        bold = (number - self._startup_trials) % BOLD_EVERY == 0

        def score(candidates: Floats) -> Floats:
            found = np.zeros(len(candidates))
            for limit in limits:
                found += limit.log_feasibility(candidates)
            if len(feasible):
                mean, deviation = process.predict(candidates, trends.predict(candidates))
                found += deviation - mean if bold else log_expected_improvement(mean, deviation, incumbent)
            return found

        return most_promising(space, score, points[order], self._proposable(space, seen), seen.conditions, self._rng)

    def _proposable(self, space: UnitSpace, seen: Observations) -> Callable[[Floats], bool]:
        """Says of a point whether it is new and allowed."""
        tried = {*keys(seen.points), *keys(seen.pending)}

        def proposable(point: Floats) -> bool:
            return tried.isdisjoint(keys(point[np.newaxis])) and (
                self._allowed is None or self._allowed(space.decode(point))
            )

        return proposable
