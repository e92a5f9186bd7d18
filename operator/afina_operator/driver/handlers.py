"""Ties a kind to the engine: its controller, and what is watched for it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from afina_operator.driver.kind import Kind
from afina_operator.driver.observe import Observed, observe
from afina_operator.driver.plan import blocked, plan
from afina_operator.driver.status import OWN_FIELDS
from afina_operator.podspec import MANAGED_SELECTOR
from afina_operator.reconciler import Controller
from afina_operator.resources import JOBS, Json, Ref, Resource, dig
from afina_operator.settings import Settings
from afina_operator.watches import Watch


def controller(kind: Kind[Any], settings: Settings) -> Controller[Observed]:
    """The controller of the kind."""
    return Controller(kind.resource, partial(observe, kind), partial(plan, settings=settings), partial(blocked, kind))


def watches(kinds: Sequence[Kind[Any]]) -> tuple[Watch, ...]:
    """The objects of these kinds, and the Jobs of all of them."""
    own = (Watch(kind.resource, partial(itself, kind.resource), _without_progress) for kind in kinds)
    return (*own, Watch(JOBS, partial(_named_by_label, kinds), labels=MANAGED_SELECTOR))


def _named_by_label(kinds: Sequence[Kind[Any]], job: Json) -> Ref | None:
    for kind in kinds:
        name = dig(job, "metadata", "labels", kind.label)
        if isinstance(name, str) and name:
            return Ref(kind.resource, job["metadata"]["namespace"], name)
    return None


def itself(resource: Resource, obj: Json) -> Ref:
    """The object that was noticed, which may be its metadata alone."""
    return Ref(resource, obj["metadata"]["namespace"], obj["metadata"]["name"])


def _without_progress(obj: Json) -> object:
    """All but what the driver reports: that changes with every trial and decides nothing."""
    marks = ("uid", "generation", "deletionTimestamp")
    return [dig(obj, "metadata", one) for one in marks], [dig(obj, "status", one) for one in OWN_FIELDS]
