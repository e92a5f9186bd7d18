"""What people, by Events, and the operator's metrics are told of what has just been decided. Pure."""

from collections.abc import Iterator
from datetime import datetime

from afina_api.modeldeployment import ModelDeploymentStatus, RevisionStatus
from afina_operator.conditions import EventType, event
from afina_operator.plan import CountRollout, Emit
from afina_operator.resources import Json

PROMOTED, SUPERSEDED = "Promoted", "Superseded"
"""Results of a rollout; the others are the reasons why a canary was rolled back."""


def events(obj: Json, before: ModelDeploymentStatus, after: ModelDeploymentStatus, now: datetime) -> Iterator[Emit]:
    """The Events about an object.

    Args:
        obj: the ModelDeployment.
        before: its status as it was recorded.
        after: as decided.
        now: the time.
    """

    def told(kind: EventType, reason: str, text: str) -> Emit:
        return Emit(event(obj, kind, reason, text, now))

    if after.stable and _name(after.stable) != _name(before.stable):
        reason = PROMOTED if before.stable else "Started"
        yield told("Normal", reason, f"{title(after.stable)} is the stable revision")
    if after.rejected and after.rejected != before.rejected:
        text = f"{title(after.rejected)} is rolled back: {after.rejected.reason}: {after.rejected.message}"
        yield told("Warning", "RolledBack", text)
    if after.canary and _name(after.canary) != _name(before.canary):
        yield told("Normal", "RolloutStarted", f"{title(after.canary)} is tried")
    if after.command and after.command != before.command:
        yield told("Normal", "Command", f"{after.command.text}: {after.command.outcome}")


def ended(before: ModelDeploymentStatus, after: ModelDeploymentStatus, now: datetime) -> Iterator[CountRollout]:
    """The rollout that ends by the decision, if one does. The arguments are those of `events`."""
    if before.canary is None or before.rollout is None or _name(after.canary) == _name(before.canary):
        return
    result = SUPERSEDED
    if _name(after.stable) == _name(before.canary):
        result = PROMOTED
    elif after.rejected and after.rejected != before.rejected:
        result = after.rejected.reason
    yield CountRollout(result, (now - before.rollout.start_time).total_seconds())


def title(revision: RevisionStatus | None) -> str:
    """Model and version, for people."""
    return f"{revision.model_name} v{revision.model_version}" if revision else ""


def _name(revision: RevisionStatus | None) -> str | None:
    return revision.revision if revision else None
