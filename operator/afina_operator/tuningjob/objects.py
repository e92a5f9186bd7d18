"""What the driver of a TuningJob needs."""

from afina_api.base import Volume
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_operator.driver.children import resources
from afina_operator.driver.kind import Kind, Words, Workload, torch_image
from afina_operator.driver.references import named
from afina_operator.podspec import from_secret
from afina_operator.resources import CONFIG_MAPS, TUNING_JOBS, Json, Ref
from afina_operator.settings import Settings

BACKSTOP_SECONDS = 300
"""The driver ends the search at the timeout; so much later the Job controller ends the driver."""


def workload(job: TuningJob, settings: Settings) -> Workload:
    """What the search needs.

    Raises:
        InvalidSpecError: it needs an image that this installation does not have.
    """
    trial, budget, database = job.spec.trial, job.spec.budget, job.spec.storage.database_secret_ref
    return Workload(
        image=_image(job, settings),
        resources=resources(trial.resources, budget.parallel_trials),
        volume=None if database else job.spec.storage.volume or Volume(),
        secret_env=[from_secret("AFINA_STORAGE_URL", database.name, database.key)] if database else [],
        source={"configMap": {"name": trial.source.config_map_ref.name}} if trial.source else None,
        suspend=job.spec.suspend,
        deadline=None if budget.timeout_seconds is None else budget.timeout_seconds + BACKSTOP_SECONDS,
    )


def _image(job: TuningJob, settings: Settings) -> str:
    if job.spec.trial.image or job.spec.algorithm.name != "GP":
        return job.spec.trial.image or settings.images.runtime
    return torch_image(settings, "spec.algorithm.name: GP", "set spec.trial.image, or use TPE")


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
    good_ends=(
        Reason.MAX_TRIALS_REACHED,
        Reason.TARGET_REACHED,
        Reason.TIMEOUT_REACHED,
        Reason.SPACE_EXHAUSTED,
        Reason.NO_IMPROVEMENT,
        Reason.REGRET_ACCEPTABLE,
    ),
    bad_ends=(
        Reason.TOO_MANY_FAILED_TRIALS,
        Reason.NO_TRIAL_SUCCEEDED,
        Reason.INVALID_OBJECTIVE,
        Reason.INVALID_SPEC,
        Reason.STORAGE_FULL,
        Reason.DRIVER_FAILED,
    ),
    words=Words(
        working="The search is under way.",
        resuming="It is started again and goes on from its storage.",
        memory="spec.trial.resources.memory",
        image="Correct spec.trial.image, or push the image.",
        deadline="spec.budget.timeoutSeconds",
    ),
    mounted=_mounted,
)
