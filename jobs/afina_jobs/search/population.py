"""A population whose members go on from trial to trial, as population based training has it (Jaderberg et al., 2017).

A trial is one interval of one member's training; how many of them a member has begun is its generation. What a trial
comes from is an attribute of it, and all else follows from the trials. Nobody waits for anybody.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from optuna import Trial
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from afina_api.algorithm import PBTSettings

ORIGIN = "afina:origin"
"""Attribute of a trial: its `Origin`."""


@dataclass(frozen=True)
class Origin:
    """Whose trial a trial is, and what it goes on from."""

    member: int
    parent: int | None
    """Number of the trial whose checkpoint it begins with; None: it begins with nothing."""

    def as_attribute(self) -> dict[str, Any]:
        """The value of the trial's attribute."""
        return asdict(self)


def origin_of(trial: Trial | FrozenTrial) -> Origin | None:
    """What a trial goes on from; None of one that belongs to no population, or does not know yet."""
    found = trial.user_attrs.get(ORIGIN)
    return Origin(**found) if found else None


def next_origin(
    trials: Sequence[FrozenTrial], settings: PBTSettings, direction: StudyDirection, random: np.random.RandomState
) -> Origin:
    """Whose the next trial is: that of the idle member with the fewest trials.

    It goes on from the member's last trial, unless that failed or is among the worst: then from one of the best.

    Args:
        trials: all, by number; at least one member runs none of them.
        settings: how large the population is, and how many are the best and the worst.
        direction: what is better.
        random: draws which of the best.
    """
    own = _by_member(trials)
    idle = [member for member in range(settings.population_size) if not any(map(_runs, own[member]))]
    member = min(idle, key=lambda one: (len(own[one]), one))
    generation = len(own[member]) - 1
    standing = [found for one in own.values() if (found := _at(one, generation))]
    if generation < 0 or not standing:
        return Origin(member, None)
    # Of equals the older is the worse: it is the one that is about to be asked.
    ranked = sorted(standing, key=lambda trial: (_broken(trial), _loss(trial, direction), -trial.number))
    share = min(math.ceil(len(ranked) * settings.quantile_fraction), len(ranked) // 2)
    last, places = own[member][-1].number, [trial.number for trial in ranked]
    if last in places[: len(places) - share]:
        return Origin(member, last)
    return Origin(member, places[random.randint(max(share, 1))])


def goes_on(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether a trial goes on from the one before it of its member, and so has its parameters."""
    origin = origin_of(trial)
    if origin is None:
        return False
    before = _by_member(trials[: trial.number])[origin.member]
    return bool(before) and before[-1].number == origin.parent


def needed(trials: Sequence[FrozenTrial]) -> frozenset[int]:
    """The trials whose checkpoints may be asked for: those that run, their parents, and two of each member.

    What is not needed once will never be again.
    """
    found = {trial.number for trial in trials if _runs(trial)}
    found |= {origin.parent for number in found if (origin := origin_of(trials[number])) and origin.parent is not None}
    for own in _by_member(trials).values():
        found |= {trial.number for _, trial in _last_two(own)}
    return frozenset(found)


def _at(own: Sequence[FrozenTrial], generation: int) -> FrozenTrial | None:
    """The success by which a member is compared with one that has come to a generation, and that may be copied.

    When few run at a time, the one that is asked has trained less than those asked before it. So they are compared as
    they were at its generation, as far back as their last two successes; who has not come to it, by the last.
    """
    two = _last_two(own)
    return next((trial for index, trial in two if index >= generation), two[-1][1] if two else None)


def _last_two(own: Sequence[FrozenTrial]) -> Sequence[tuple[int, FrozenTrial]]:
    """A member's last two successes, each with its generation."""
    return [(index, trial) for index, trial in enumerate(own) if _succeeded(trial)][-2:]


def _by_member(trials: Sequence[FrozenTrial]) -> defaultdict[int, list[FrozenTrial]]:
    found: defaultdict[int, list[FrozenTrial]] = defaultdict(list)
    for trial in trials:
        if origin := origin_of(trial):
            found[origin.member].append(trial)
    return found


def _runs(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.RUNNING


def _succeeded(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE


def _broken(trial: FrozenTrial) -> float:
    """By how much what was measured breaks the constraints; 0 where it keeps them all."""
    return sum(max(violation, 0.0) for violation in trial.constraints.values())


def _loss(trial: FrozenTrial, direction: StudyDirection) -> float:
    value = trial.value or 0.0
    return -value if direction == StudyDirection.MAXIMIZE else value
