"""What becomes of the status: which revision is stable, which is the canary, at which step. Pure.

What is decided here is recorded before it is done: where a crash comes between, the next pass does what was recorded.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from afina_api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus, Rollout, RolloutStatus, Step
from afina_api.reasons import ServingReason
from afina_operator.modeldeployment.commands import next_step, reject
from afina_operator.modeldeployment.revisions import Revision, fresh_name

_MAX_PREVIOUS = 10


@dataclass(frozen=True)
class Canary:
    """How the canary's pods and its share of the traffic are now."""

    ready: int = 0
    """Pods that answer inferences."""
    wanted: int = 1
    """Pods that it shall have by now."""
    weight: int | None = None
    """Percent, as the route has it; None where the route does not name it."""
    crash: str = ""
    """Why its servers do not stay."""
    waiting: str = ""
    """What its pods wait for."""
    has_baseline: bool = True
    """Whether all new pods answer that it is compared with, if there are to be any."""

    @property
    def is_complete(self) -> bool:
        """Whether it may be in the route."""
        return self.ready >= self.wanted and self.has_baseline


def decide(
    status: ModelDeploymentStatus,
    spec: ModelDeploymentSpec,
    wanted: Revision | None,
    canary: Canary,
    now: datetime,
    *,
    stable_was_served: bool,
) -> ModelDeploymentStatus:
    """The status after what there is to decide.

    Args:
        status: as it is, with the judge's last verdict.
        spec: of the object.
        wanted: the revision that the spec asks for; None while nobody knows.
        canary: of the revision that is tried.
        now: the time.
        stable_was_served: whether the stable revision has ever had traffic.
    """
    if wanted is None:
        return _progressed(status, spec, canary, now)
    stable = status.stable
    if stable is None or (not stable_was_served and stable.revision != wanted.name):
        # Nobody is served yet, so there is nothing to protect.
        return status.model_copy(update={"stable": wanted.status(), "canary": None, "rollout": None})
    if stable.revision == wanted.name:
        return status.model_copy(update={"canary": None, "rollout": None, "rejected": None})
    if status.rejected and status.rejected.revision == wanted.name:
        return status.model_copy(update={"canary": None, "rollout": None})
    if status.canary is None or status.canary.revision != wanted.name or status.rollout is None:
        known = wanted.name in status.previous[: spec.rollout.rollback_window]
        step = len(spec.rollout.steps) if known else 0
        rollout = RolloutStatus(step=step, step_start_time=now, start_time=now, evidence=[])
        return status.model_copy(update={"canary": wanted.status(), "rollout": rollout})
    return _progressed(status, spec, canary, now)


def _progressed(
    status: ModelDeploymentStatus, spec: ModelDeploymentSpec, canary: Canary, now: datetime
) -> ModelDeploymentStatus:
    """A step further, if the present one is done; or the end of it."""
    rollout = status.rollout
    if status.canary is None or rollout is None:
        return status
    if failure := _failure(rollout, spec, canary, now):
        return reject(status, *failure, now)
    if canary.weight is None or not canary.ready:
        return status
    steps = spec.rollout.steps
    if rollout.step >= len(steps):
        if spec.rollout.max_surge is not None and canary.weight < 100:
            return status  # not all of its pods are there yet
        before = [status.stable.revision] if status.stable else []
        previous = [*before, *(one for one in status.previous if one not in (*before, status.canary.revision))]
        promoted = {"stable": status.canary, "previous": previous[:_MAX_PREVIOUS]}
        return status.model_copy(update={**promoted, "canary": None, "rollout": None, "rejected": None})
    if rollout.paused or not _is_done(steps[rollout.step], rollout, canary, now):
        return status
    return status.model_copy(update={"rollout": next_step(rollout, now)})


def _failure(
    rollout: RolloutStatus, spec: ModelDeploymentSpec, canary: Canary, now: datetime
) -> tuple[ServingReason, str] | None:
    """Why the canary must go, as a word and for people."""
    if rollout.verdict == "Fail":
        return ServingReason.JUDGE_FAILED, rollout.message
    if canary.crash:
        return ServingReason.CRASH_LOOP, canary.crash
    if canary.weight and not canary.ready:
        return ServingReason.CANARY_NOT_READY, "none of its pods is ready any more"
    deadline = spec.rollout.progress_deadline_seconds
    is_late = now - rollout.start_time >= timedelta(seconds=deadline)
    if is_late and canary.weight is None and not canary.is_complete:
        waiting = f": {canary.waiting}" if canary.waiting else ""
        return (
            ServingReason.PROGRESS_DEADLINE_EXCEEDED,
            f"it was not ready after rollout.progressDeadlineSeconds {deadline}{waiting}",
        )
    return None


def _is_done(step: Step, rollout: RolloutStatus, canary: Canary, now: datetime) -> bool:
    if step.set_weight is not None:
        return canary.weight == step.set_weight
    if step.pause_seconds is not None:
        return now - rollout.step_start_time >= timedelta(seconds=step.pause_seconds)
    if step.gate is not None:
        return rollout.approved
    return rollout.verdict == "Pass"


def replicas(spec: ModelDeploymentSpec) -> int:
    """Pods of each revision. The bounds of an autoscaler hold before it has acted."""
    bounds = spec.autoscaling
    return min(max(spec.replicas, bounds.min_replicas), bounds.max_replicas) if bounds else spec.replicas


def is_shadow(rollout: Rollout, step: int) -> bool:
    """Whether the canary is shown copies of requests in that step."""
    return step < len(rollout.steps) and rollout.steps[step].shadow is not None


def has_fresh_pods(rollout: Rollout, step: int) -> bool:
    """Whether there are new pods of the stable revision. A canary that gets all of the traffic waits for none."""
    return rollout.baseline == "Fresh" and step < len(rollout.steps)


def compared_with(rollout: Rollout, step: int, stable: str) -> str:
    """What the pods go by that the canary is compared with: in a shadow, those that have the requests."""
    return fresh_name(stable) if has_fresh_pods(rollout, step) and not is_shadow(rollout, step) else stable


def goal(rollout: Rollout, index: int) -> int:
    """Percent of the requests that a ready canary is to have at that step.

    All of them it has as the stable revision; before that only where its pods come little by little.
    """
    if index >= len(rollout.steps) and rollout.max_surge is not None:
        return 100
    known = [step.set_weight for step in rollout.steps[: index + 1] if step.set_weight is not None]
    return known[-1] if known else 0
