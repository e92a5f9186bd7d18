"""How the pods of a rollout are shared out where it may have only a few more than `replicas`. Pure.

The weights are whole percents, so a share is borne well enough by pods that lack one percent for it. Without that,
three pods and a fourth could not get beyond a weight of 33: two of three pods are not enough for the other 67 percent.
"""

import math
from dataclasses import dataclass

_SLACK = 1


@dataclass(frozen=True)
class Sizes:
    """Pods that the revisions shall have."""

    stable: int
    canary: int


def sizes(replicas: int, surge: int | None, weight: int, goal: int, stable_now: int) -> Sizes:
    """The pods for the next step of the weights, and no more than the surge allows.

    Args:
        replicas: pods that bear all requests.
        surge: pods that there may be beside them, at least 1; None: as many as it takes.
        weight: percent of the requests that the canary has.
        goal: percent that it is to have.
        stable_now: pods that the stable revision has, whatever it shall have.
    """
    if surge is None:
        return Sizes(replicas, replicas)
    # One pod stays, so that a roll-back finds somebody who answers.
    stable = max(1, _needed(replicas, 100 - min(weight, goal) - _SLACK))
    room = replicas + surge - max(stable, stable_now)
    return Sizes(stable, max(1, _needed(replicas, weight), min(_needed(replicas, goal), room)))


def reachable(replicas: int, surge: int | None, weight: int, goal: int, ready: int) -> int:
    """Percent of the requests that a canary may have now, with so many ready pods. Down it goes at once."""
    if surge is None or goal <= weight:
        return goal
    return max(weight, min(goal, 100 * ready // replicas))


def _needed(replicas: int, percent: int) -> int:
    """The least number of pods that bear that share of the requests."""
    return math.ceil(replicas * percent / 100)
