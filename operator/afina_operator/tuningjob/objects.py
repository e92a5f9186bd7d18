"""What the driver of a TuningJob needs."""

from afina_api.base import Volume
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_operator.driver.children import resources
from afina_operator.driver.kind import InvalidSpecError, Kind, Mount, Words, Workload, from_secret
from afina_operator.driver.references import named
from afina_operator.resources import CONFIG_MAPS, TUNING_JOBS, Json, Ref
from afina_operator.settings import Settings

BACKSTOP_SECONDS = 300
"""The driver ends the search at the timeout; so much later the Job controller ends the driver."""

_SOURCE = "/etc/afina/source"


def workload(job: TuningJob, settings: Settings) -> Workload:
    """What the search needs.

    Raises:
        InvalidSpecError: it needs an image that this installation does not have.
    """
    trial, budget, database = job.spec.trial, job.spec.budget, job.spec.storage.database_secret_ref
    mounts = (
        (Mount("source", _SOURCE, {"configMap": {"name": trial.source.config_map_ref.name}}),) if trial.source else ()
    )
    return Workload(
        image=_image(job, settings),
        resources=resources(trial.resources, budget.parallel_trials),
        volume=None if database else job.spec.storage.volume or Volume(),
        env={"AFINA_SOURCE": _SOURCE} if trial.source else {},
        secret_env=[from_secret("AFINA_STORAGE_URL", database.name, database.key)] if database else [],
        mounts=mounts,
        suspend=job.spec.suspend,
        deadline=None if budget.timeout_seconds is None else budget.timeout_seconds + BACKSTOP_SECONDS,
    )


def _image(job: TuningJob, settings: Settings) -> str:
    image = job.spec.trial.image
    if job.spec.algorithm.name != "GP":
        return image or settings.images.runtime
    if not (image or settings.images.runtime_torch):
        raise InvalidSpecError(
            "spec.algorithm.name: GP needs the torch runtime image, which this installation does not name: "
            "set it in the chart's values, set spec.trial.image, or use TPE"
        )
    return image or settings.images.runtime_torch


def _mounted(job: Json) -> list[tuple[str, Ref]]:
    return named(job, CONFIG_MAPS, "trial", "source", "configMapRef", "name")


KIND = Kind(
    resource=TUNING_JOBS,
    model=TuningJob,
    workload=workload,
    prefix="tj",
    component="tuning",
    summary="Succeeded",
    reasons=Reason,
    good_ends=(Reason.MAX_TRIALS_REACHED, Reason.TARGET_REACHED, Reason.TIMEOUT_REACHED, Reason.SPACE_EXHAUSTED),
    bad_ends=(
        Reason.TOO_MANY_FAILED_TRIALS,
        Reason.NO_TRIAL_SUCCEEDED,
        Reason.INVALID_OBJECTIVE,
        Reason.INVALID_SPEC,
        Reason.STORAGE_FULL,
        Reason.DRIVER_FAILED,
    ),
    progress="trials",
    words=Words(
        working="The search is under way.",
        resuming="It is started again and goes on from its storage.",
        memory="spec.trial.resources.memory",
        image="Correct spec.trial.image, or push the image.",
        deadline="spec.budget.timeoutSeconds",
    ),
    mounted=_mounted,
)
