"""CMA-ES that keeps nothing but its trials."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna._transform import _SearchSpaceTransform
from optuna.samplers import CmaEsSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial


class ReplayingCmaEsSampler(CmaEsSampler):
    """Optuna's CMA-ES, which for each trial learns anew from all generations before it.

    Optuna's own keeps its state in the database as a pickle: whoever can write there could run code in the driver.
    Here a generation is made of the trials that ended first, so that what was learned stays, whatever ends later.
    """

    _ended: Sequence[FrozenTrial] = ()

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self._ended = sorted(completed_trials, key=lambda trial: (str(trial.datetime_complete), trial.number))

    def _init_optimizer(self, trans: _SearchSpaceTransform, direction: StudyDirection) -> Any:
        optimizer = super()._init_optimizer(trans, direction)
        generations = defaultdict(list)
        for trial in self._ended:
            generations[trial.system_attrs.get(self._attr_key_generation, -1)].append(trial)
        while len(trials := generations[optimizer.generation]) >= optimizer.population_size:
            optimizer.tell([_solution(trial, trans, direction) for trial in trials[: optimizer.population_size]])
        return optimizer


def _solution(
    trial: FrozenTrial, trans: _SearchSpaceTransform, direction: StudyDirection
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], float]:
    """The trial's place, and its value, of which less is better."""
    # The variant with a margin learns from the point that it drew, not from the step next to it.
    drawn = trial.system_attrs.get("x_for_tell")
    place = trans.transform(trial.params) if drawn is None else np.array(drawn)
    value = float(trial.value or 0.0)
    return place, value if direction == StudyDirection.MINIMIZE else -value
