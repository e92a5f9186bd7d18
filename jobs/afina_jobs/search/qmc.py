"""Quasi-Monte Carlo that knows its place in the sequence from the trial's number."""

from collections.abc import Mapping

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import QMCSampler
from optuna.trial import FrozenTrial


class NumberedQMCSampler(QMCSampler):
    """Gives trial N the N-th point of the sequence.

    Optuna's own counts points in the database, and draws the first trial at random, to learn the space from it. After
    a crash it would skip a point.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], *, qmc_type: str, scramble: bool, seed: int) -> None:
        super().__init__(qmc_type=qmc_type, scramble=scramble, seed=seed)
        self._space = space
        self._number = 0

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Take the trial's number."""
        self._number = trial.number

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space."""
        return dict(self._space)

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number
