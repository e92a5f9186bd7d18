"""How the families stand, and which one is to be tried next. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_FAILURES = 2
"""A family that has failed so often, and never succeeded, is given up."""
_EAGERNESS = 1.5
"""The higher, the more of the models go to the families that lead."""


@dataclass(frozen=True)
class Standing:
    """One family in the search."""

    family: str
    begun: int = 0
    """Trials, the running ones too."""
    failed: int = 0
    orphaned: int = 0
    """Trials that ran when a driver died."""
    best_loss: float | None = None
    """Of its best model; less is better."""


def next_family(standings: Sequence[Standing], *, late: bool = False) -> str | None:
    """First what a dead driver left, then every family's default, then by promise.

    The family of rank r gets models in proportion to (1 + r) ** -1.5: the leader most, and none is forgotten.
    The clock has no say, so that the same seed tries the same models; but when it is late, what is left of the time
    goes to families that have shown something.
    """
    for standing in standings:
        if standing.orphaned:
            return standing.family
    for standing in standings:
        if not standing.begun and not late:
            return standing.family
    ranked = sorted((s for s in standings if s.best_loss is not None), key=lambda s: s.best_loss or 0.0)
    unproven = [s for s in standings if s.best_loss is None and s.failed == s.begun < MAX_FAILURES and not late]
    candidates = [(s.begun * (1 + rank) ** _EAGERNESS, rank, s.family) for rank, s in enumerate((*ranked, *unproven))]
    return min(candidates)[2] if candidates else None
