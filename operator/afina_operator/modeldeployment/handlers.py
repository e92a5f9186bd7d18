"""Ties ModelDeployments to the engine: their controller, and what is watched for them."""

from functools import partial

from afina_api.modeldeployment import ROLLOUT_ANNOTATION
from afina_operator.driver.handlers import itself
from afina_operator.modeldeployment.objects import LABEL
from afina_operator.modeldeployment.observe import Observed, Observer
from afina_operator.modeldeployment.plan import blocked, plan
from afina_operator.podspec import MANAGED_SELECTOR
from afina_operator.reconciler import Controller
from afina_operator.resources import DEPLOYMENTS, MODEL_DEPLOYMENTS, Json, Ref, dig
from afina_operator.settings import Settings
from afina_operator.watches import Watch


def controller(observer: Observer, settings: Settings) -> Controller[Observed]:
    """The controller of the kind."""
    return Controller(MODEL_DEPLOYMENTS, observer, partial(plan, settings=settings), blocked)


def watches() -> tuple[Watch, ...]:
    """The objects, and the Deployments of all of them."""
    return (
        Watch(MODEL_DEPLOYMENTS, partial(itself, MODEL_DEPLOYMENTS), _without_status),
        Watch(DEPLOYMENTS, _named_by_label, labels=MANAGED_SELECTOR),
    )


def _named_by_label(child: Json) -> Ref | None:
    name = dig(child, "metadata", "labels", LABEL)
    return Ref(MODEL_DEPLOYMENTS, child["metadata"]["namespace"], name) if isinstance(name, str) and name else None


def _without_status(obj: Json) -> object:
    """All but what only we write."""
    marks = ("uid", "generation", "deletionTimestamp")
    return [dig(obj, "metadata", one) for one in marks], dig(obj, "metadata", "annotations", ROLLOUT_ANNOTATION)
