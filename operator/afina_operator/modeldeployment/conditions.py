"""The conditions of a ModelDeployment: Ready, Progressing, Inconclusive and RolledBack. Pure."""

from dataclasses import dataclass

from afina_api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from afina_api.reasons import ServingReason
from afina_operator.conditions import Condition


@dataclass(frozen=True)
class Standing:
    """How the revisions are served."""

    ready: int
    """Pods of the stable revision that answer."""
    has_gateway: bool
    is_accepted: bool
    """Whether the Gateway has taken the route."""
    route_problem: str
    """Why it has not, in its words."""
    waiting: str
    """What the pods of the stable revision wait for, or end of."""
    model_problem: str
    """Why nobody knows what the spec asks for."""
    canary_in_route: bool
    """Whether the route names the canary, be it at weight 0."""
    canary_waiting: str
    """What the canary's pods wait for."""


def conditions(
    spec: ModelDeploymentSpec, status: ModelDeploymentStatus, standing: Standing, wanted: str | None
) -> list[Condition]:
    """All conditions.

    Args:
        spec: of the object.
        status: as decided.
        standing: of both revisions.
        wanted: name of the revision that the spec asks for; None where nobody knows.
    """
    return [
        _ready(spec, status, standing),
        _progressing(spec, status, standing, wanted),
        _inconclusive(spec, status),
        _rolled_back(status, wanted),
    ]


def _ready(spec: ModelDeploymentSpec, status: ModelDeploymentStatus, standing: Standing) -> Condition:
    def no(reason: ServingReason, message: str) -> Condition:
        return Condition("Ready", "False", reason, message)

    if status.stable is None:
        return no(ServingReason.MODEL_UNAVAILABLE, standing.model_problem)
    if not standing.has_gateway:
        name = spec.endpoint.gateway_ref.name
        text = f"spec.endpoint.gatewayRef: there is no Gateway {name!r} in this namespace: create it"
        return no(ServingReason.GATEWAY_MISSING, text)
    if not standing.ready:
        reason = ServingReason.STARTING if status.weight is None else ServingReason.NOT_READY
        return no(reason, standing.waiting or "no pod of the stable revision is ready")
    if not standing.is_accepted:
        return no(ServingReason.ROUTE_NOT_ACCEPTED, standing.route_problem or "the Gateway has not taken the route yet")
    model = f"{status.stable.model_name} version {status.stable.model_version}"
    return Condition("Ready", "True", ServingReason.SERVING, f"{model}, {standing.ready} pods ready")


def _progressing(
    spec: ModelDeploymentSpec, status: ModelDeploymentStatus, standing: Standing, wanted: str | None
) -> Condition:
    def found(value: bool, reason: ServingReason, message: str) -> Condition:
        return Condition("Progressing", "True" if value else "False", reason, message)

    canary, rollout, steps = status.canary, status.rollout, spec.rollout.steps
    if canary is None or rollout is None:
        if standing.model_problem:
            return found(False, ServingReason.MODEL_UNAVAILABLE, standing.model_problem)
        if status.rejected and status.rejected.revision == wanted:
            return found(False, ServingReason.ROLLED_BACK, f"{wanted} was rolled back: afina retry, or another model")
        return found(False, ServingReason.STABLE, "")
    name = f"{canary.model_name} version {canary.model_version}"
    if rollout.paused:
        return found(False, ServingReason.PAUSED, f"{name} stays at step {rollout.step + 1} of {len(steps)}")
    if not standing.canary_in_route:
        return found(True, ServingReason.CANARY_STARTING, standing.canary_waiting or f"{name} is started")
    if rollout.step < len(steps) and steps[rollout.step].gate is not None:
        return found(False, ServingReason.GATE_CLOSED, f"step {rollout.step + 1} of {len(steps)} is a gate")
    waiting = f": {standing.canary_waiting}" if standing.canary_waiting else ""
    at = f"{name} is at step {min(rollout.step + 1, len(steps))} of {len(steps)}"
    return found(True, ServingReason.IN_STEP, at + waiting)


def _inconclusive(spec: ModelDeploymentSpec, status: ModelDeploymentStatus) -> Condition:
    rollout, steps = status.rollout, spec.rollout.steps
    waits = rollout is not None and rollout.step < len(steps) and steps[rollout.step].judged is not None
    if rollout is None or not waits or rollout.verdict != "Inconclusive":
        return Condition("Inconclusive", "False", ServingReason.DECIDED)
    reason = rollout.reason or ServingReason.METRICS_UNREAD
    return Condition("Inconclusive", "True", reason, rollout.message or "nothing was measured yet")


def _rolled_back(status: ModelDeploymentStatus, wanted: str | None) -> Condition:
    rejected = status.rejected
    if rejected is None or (wanted is not None and rejected.revision != wanted):
        return Condition("RolledBack", "False", ServingReason.NOTHING_REJECTED)
    return Condition("RolledBack", "True", rejected.reason, rejected.message)
