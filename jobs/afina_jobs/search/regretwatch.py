"""Keeps the bound on the regret while a search goes on."""

import logging
import math
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from afina_api.objective import Objective

log = logging.getLogger(__name__)


class RegretWatch:
    """Knows the bound, and works it out anew when another trial has succeeded."""

    def __init__(self, objective: Objective, seed: int) -> None:
        self._objective = objective
        self._seed = seed
        self._succeeded = 0
        self._bound = math.inf

    def __call__(self, trials: Sequence[FrozenTrial]) -> float:
        """The bound. Takes up to a second of processor."""
        succeeded = sum(trial.state == TrialState.COMPLETE for trial in trials)
        if succeeded != self._succeeded:
            self._succeeded = succeeded
            from afina_jobs.search.regret import regret_bound  # SciPy takes a second to import, and few ask for it

            self._bound = regret_bound(trials, self._objective, self._seed)
            log.info("no trial is likely to be better than the best by more than %.3g", self._bound)
        return self._bound
