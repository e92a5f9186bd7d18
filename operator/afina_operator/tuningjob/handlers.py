"""Ties the TuningJob's observe and plan to the engine."""

from functools import partial

from afina_operator.reconciler import Controller
from afina_operator.resources import JOBS, TUNING_JOBS, Json, Ref, dig
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import NAME_LABEL
from afina_operator.tuningjob.observe import Observed, observe
from afina_operator.tuningjob.plan import blocked, plan
from afina_operator.watches import Watch


def controller(settings: Settings) -> Controller[Observed]:
    """The controller of TuningJobs."""
    return Controller(TUNING_JOBS, observe, partial(plan, settings=settings), blocked)


def _named_by_label(job: Json) -> Ref | None:
    name = dig(job, "metadata", "labels", NAME_LABEL)
    return Ref(TUNING_JOBS, job["metadata"]["namespace"], name) if isinstance(name, str) and name else None


def _itself(job: Json) -> Ref:
    return Ref(TUNING_JOBS, job["metadata"]["namespace"], job["metadata"]["name"])


def _without_progress(job: Json) -> object:
    """All but what the driver reports: that changes with every trial and decides nothing."""
    status = ("conditions", "startTime", "completionTime", "observedGeneration")
    marks = ("uid", "generation", "deletionTimestamp")
    return [dig(job, "metadata", one) for one in marks], [dig(job, "status", one) for one in status]


WATCHES = (
    Watch(TUNING_JOBS, _itself, _without_progress),
    Watch(JOBS, _named_by_label, labels=NAME_LABEL),
)
