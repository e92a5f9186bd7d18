"""The trials of an earlier search, wherever they were kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState


@dataclass(frozen=True)
class Past:
    """What an earlier search tried, and what came of it."""

    params: Sequence[Mapping[str, Any]]
    """The parameters of each trial that succeeded."""
    values: Sequence[Sequence[float]]
    """The objectives of each, smaller is better."""

    @classmethod
    def judged(
        cls, params: Sequence[Mapping[str, Any]], values: Sequence[Sequence[float]], broken: Sequence[bool]
    ) -> "Past":
        """One in which a trial that broke a constraint counts as bad as the worst."""
        worst = [max(column) for column in zip(*values, strict=True)]
        return cls(params, [worst if bad else own for own, bad in zip(values, broken, strict=True)])

    @classmethod
    def of(cls, study: Study) -> "Past":
        """The past that a study is."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in study.directions]
        values = [[sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in trials]
        broken = [any(violation > 0 for violation in trial.constraints.values()) for trial in trials]
        return cls.judged([trial.params for trial in trials], values, broken)

    def in_space(self, space: Mapping[str, BaseDistribution]) -> "Past":
        """The same with parameters that were kept as text as those of a space; others are left out."""
        return Past([_read(params, space) for params in self.params], self.values)


class History:
    """The pasts that a search learns from, and what they are good for."""

    def __init__(self, searches: Sequence[Past | Study]) -> None:
        """Take the searches."""
        self.searches = [found if isinstance(found, Past) else Past.of(found) for found in searches]
        self.trials = sum(len(past.params) for past in self.searches)
        """How many trials they have."""
        self.agreement: float | None = None
        """How well the results agreed with what was expected of them, when it was looked at last."""
        self.learned: Any = None
        """What a sampler has learned from them: it is made anew for each trial."""


def _read(params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    read = {name: _value(value, space[name]) for name, value in params.items() if name in space}
    return {name: value for name, value in read.items() if value is not None}


def _value(value: Any, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return next((choice for choice in distribution.choices if str(choice) == str(value)), None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
