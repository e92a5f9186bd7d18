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


class NotObeyedError(Exception):
    """The verb makes no sense as things are: nothing was done. The message says why."""


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
    try:
        found, outcome = _obeyed(status, said, steps, now)
    except NotObeyedError as error:
        refusal = Command(text=said, outcome=f"{error}: nothing was done", obeyed=False, time=now)
        return status.model_copy(update={"command": refusal})
    return found.model_copy(update={"command": Command(text=said, outcome=outcome, time=now)})


def _obeyed(
    status: ModelDeploymentStatus, said: str, steps: Sequence[Step], now: datetime
) -> tuple[ModelDeploymentStatus, str]:
    verb = said.split()[0]
    if verb not in ROLLOUT_VERBS:
        raise NotObeyedError(f"unknown verb {verb!r}, it must be one of {', '.join(ROLLOUT_VERBS)}")
    if verb == "retry":
        return _retried(status)
    canary, rollout = status.canary, status.rollout
    if canary is None or rollout is None:
        raise NotObeyedError("there is no canary")
    if verb == "abort":
        return reject(status, ServingReason.ABORTED, f"Somebody said: {said}", now), f"{canary.revision} is rolled back"
    changed, outcome = _changed(rollout, verb, steps, now)
    return status.model_copy(update={"rollout": changed}), outcome


def _retried(status: ModelDeploymentStatus) -> tuple[ModelDeploymentStatus, str]:
    if status.rejected is None:
        raise NotObeyedError("no revision is rejected")
    return status.model_copy(update={"rejected": None}), f"{status.rejected.revision} may be tried again"


def _changed(rollout: RolloutStatus, verb: str, steps: Sequence[Step], now: datetime) -> tuple[RolloutStatus, str]:
    present = steps[rollout.step] if rollout.step < len(steps) else None
    match verb:
        case "promote":
            ended = rollout.model_copy(update={"step": len(steps), "step_start_time": now, "paused": False})
            return ended, "the canary gets all of the traffic as soon as it is ready"
        case "skip":
            if present is None:
                raise NotObeyedError("no step is left")
            return next_step(rollout, now), f"step {rollout.step} is skipped"
        case "approve":
            if present is None or present.gate is None:
                raise NotObeyedError(_no_gate(rollout.step, steps))
            return rollout.model_copy(update={"approved": True}), f"step {rollout.step} is approved"
        case "pause":
            return rollout.model_copy(update={"paused": True}), "no step is taken until resume"
        case _:
            return rollout.model_copy(update={"paused": False}), "it goes on"


def _no_gate(present: int, steps: Sequence[Step]) -> str:
    if present >= len(steps):
        return "no step is left"
    kind = next(iter(steps[present].model_dump(by_alias=True, exclude_none=True)))
    gate = next((number for number in range(present, len(steps)) if steps[number].gate is not None), None)
    later = "and none after it is one" if gate is None else f"say it again when step {gate} is reached, which is one"
    return f"step {present} ({kind}) is no gate, {later}"


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
