"""What people may tell a rollout to do. Every state x verb has a defined outcome."""

from collections.abc import Sequence
from datetime import datetime

from afina_api.modeldeployment import (
    ROLLOUT_VERBS,
    Command,
    ModelDeploymentStatus,
    RejectedRevision,
    RolloutStatus,
    Step,
)
from afina_api.reasons import ServingReason

_MAX_TEXT = 512
_MAX_MESSAGE = 1024


def obey(
    status: ModelDeploymentStatus, text: str | None, steps: Sequence[Step], now: datetime
) -> ModelDeploymentStatus:
    """Obey the annotation, if it says something new; what came of it is recorded, whatever it is.

    Args:
        status: as it is.
        text: of the annotation; None where there is none.
        steps: of the rollout.
        now: the time.
    """
    said = (text or "").strip()[:_MAX_TEXT]
    if not said or (status.command and status.command.text == said):
        return status
    found, outcome = _obeyed(status, said, steps, now)
    return found.model_copy(update={"command": Command(text=said, outcome=outcome, time=now)})


def _obeyed(
    status: ModelDeploymentStatus, said: str, steps: Sequence[Step], now: datetime
) -> tuple[ModelDeploymentStatus, str]:
    verb = said.split()[0]
    if verb not in ROLLOUT_VERBS:
        return status, f"unknown verb {verb!r}: it must be one of {', '.join(ROLLOUT_VERBS)}"
    if verb == "retry":
        return _retried(status)
    canary, rollout = status.canary, status.rollout
    if canary is None or rollout is None:
        return status, "there is no canary: nothing was done"
    if verb == "abort":
        return reject(status, ServingReason.ABORTED, f"Somebody said: {said}", now), f"{canary.revision} is rolled back"
    changed, outcome = _changed(rollout, verb, steps, now)
    return status.model_copy(update={"rollout": changed}), outcome


def _retried(status: ModelDeploymentStatus) -> tuple[ModelDeploymentStatus, str]:
    if status.rejected is None:
        return status, "no revision is rejected: nothing was done"
    return status.model_copy(update={"rejected": None}), f"{status.rejected.revision} may be tried again"


def _changed(rollout: RolloutStatus, verb: str, steps: Sequence[Step], now: datetime) -> tuple[RolloutStatus, str]:
    present = steps[rollout.step] if rollout.step < len(steps) else None
    match verb:
        case "promote":
            ended = rollout.model_copy(update={"step": len(steps), "step_start_time": now, "paused": False})
            return ended, "the canary gets all of the traffic as soon as it is ready"
        case "skip":
            if present is None:
                return rollout, "no step is left: nothing was done"
            return next_step(rollout, now), f"step {rollout.step} is skipped"
        case "approve":
            if present is None or present.gate is None:
                return rollout, f"step {rollout.step} is no gate: nothing was done"
            return rollout.model_copy(update={"approved": True}), f"step {rollout.step} is approved"
        case "pause":
            return rollout.model_copy(update={"paused": True}), "no step is taken until resume"
        case _:
            return rollout.model_copy(update={"paused": False}), "it goes on"


def next_step(rollout: RolloutStatus, now: datetime) -> RolloutStatus:
    """The rollout at its next step, of which the judge knows nothing yet."""
    fresh = {"approved": False, "verdict": "Inconclusive", "reason": "", "message": "", "evidence": []}
    return rollout.model_copy(update={"step": rollout.step + 1, "step_start_time": now, **fresh})


def reject(status: ModelDeploymentStatus, reason: ServingReason, message: str, now: datetime) -> ModelDeploymentStatus:
    """The status after the canary is given up."""
    if status.canary is None:
        return status
    known = status.canary.model_dump()
    rejected = RejectedRevision(**known, reason=reason, message=message[:_MAX_MESSAGE], time=now)
    return status.model_copy(update={"canary": None, "rollout": None, "rejected": rejected})
