"""What the status of a ModelDeployment says: read, and written as a whole."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from afina_api.base import as_json
from afina_api.modeldeployment import ModelDeploymentStatus
from afina_operator.conditions import Condition, as_recorded, generation
from afina_operator.plan import ApplyStatus
from afina_operator.resources import Json, bound, dig


def recorded(obj: Json) -> ModelDeploymentStatus:
    """The status as it was recorded; empty where it cannot be read."""
    try:
        return ModelDeploymentStatus.model_validate(obj.get("status") or {})
    except ValidationError:
        return ModelDeploymentStatus.model_validate({})


def record(
    obj: Json, status: ModelDeploymentStatus, conditions: Sequence[Condition], now: datetime
) -> ApplyStatus | None:
    """The write that makes the status say so; None if it does already."""
    content = as_json(status.model_copy(update={"observed_generation": generation(obj), "conditions": []}))
    content["conditions"] = as_recorded(obj, conditions, now)
    if dig(obj, "status") == content:
        return None
    metadata = {name: obj["metadata"][name] for name in ("name", "namespace")}
    own = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "status": content}
    return ApplyStatus(bound(own, obj))
