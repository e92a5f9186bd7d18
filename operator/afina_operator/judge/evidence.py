"""What the judge keeps from look to look."""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from afina_operator.judge.drift import binned
from afina_operator.judge.limits import Limits
from afina_operator.judge.metric import Claims
from afina_operator.judge.proportions import Claim, log_factor
from afina_operator.judge.sample import Pair, Sample

Log = Annotated[float, Field(ge=-1e300, le=1e300)]


class Wealth(BaseModel):
    """Logarithms of what bets against a metric's claims have grown to."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    harmless: tuple[Log, ...] = ()
    harmful: tuple[Log, ...] = ()

    def after(self, claims: Claims) -> "Wealth":
        """With the bets of one look."""
        return Wealth(harmless=_after(self.harmless, claims.harmless), harmful=_after(self.harmful, claims.harmful))

    def of_harm(self) -> float:
        """Logarithm of the evidence that the canary is beyond the limit: the mean, as one bet on each claim is."""
        highest = max(self.harmless, default=0.0)
        parts = [math.exp(log - highest) for log in self.harmless]
        return highest + math.log(sum(parts) / len(parts)) if parts else 0.0

    def of_safety(self) -> float:
        """Logarithm of the evidence that the canary is within the limit: each harmful claim must be refuted."""
        return min(self.harmful, default=0.0)


def _after(logs: tuple[float, ...], claims: tuple[Claim, ...]) -> tuple[float, ...]:
    # Another number of claims: there were none before this look (or somebody edited the status).
    known = logs if len(logs) == len(claims) else (0.0,) * len(claims)
    return tuple(log + log_factor(claim) for log, claim in zip(known, claims, strict=True))


class Evidence(BaseModel):
    """All that was counted, and the wealth. It belongs to one canary, one stable revision and the same limits.

    As JSON it is kept in the object's status; what is no evidence there (somebody edited it) is a ValidationError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    canary: Sample = Sample()
    stable: Sample = Sample()
    wealth: Mapping[str, Wealth] = Field(default_factory=dict)
    """By metric."""
    unread: str = ""
    """What the last look lacked."""

    def seen(self) -> Pair:
        """All counts."""
        return Pair(self.canary, self.stable)


def look(evidence: Evidence, canary: Sample | None, stable: Sample | None, limits: Limits) -> Evidence:
    """The evidence after one more look.

    Looks may come before the canary has traffic: what they tell of the stable revision makes the next ones worth more.

    Args:
        evidence: of the looks before.
        canary: what was counted since the look before. None: its metrics could not be read.
        stable: the same.
        limits: the same in every look.
    """
    if canary is None or stable is None:
        missing = [name for name, sample in (("canary", canary), ("stable", stable)) if sample is None]
        return evidence.model_copy(update={"unread": f"metrics of {' and '.join(missing)}"})
    sides = (("canary", canary.counted), ("stable", stable.counted))
    unread = [f"{one.name} of {side}" for one in limits.counted for side, known in sides if one.name not in known]
    before = evidence.seen()
    now = binned(Pair(canary, stable), before)
    return Evidence(
        canary=before.canary + now.canary,
        stable=before.stable + now.stable,
        wealth={
            metric.name: evidence.wealth.get(metric.name, Wealth()).after(metric.claims(now, before))
            for metric in limits.metrics()
        },
        unread=" and ".join(unread),
    )
