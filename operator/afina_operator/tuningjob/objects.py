"""What the driver of a TuningJob needs."""

import math

from afina_api.base import Volume
from afina_api.execution import slots
from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob
from afina_operator.driver.children import DRIVER_MEMORY, resources
from afina_operator.driver.kind import InvalidSpecError, Kind, RayCluster, Words, Workload, torch_image
from afina_operator.driver.references import named
from afina_operator.driver.room import SLOTS
from afina_operator.podspec import GPU_TYPE, from_secret
from afina_operator.resources import CONFIG_MAPS, TUNING_JOBS, Json, Ref, dig
from afina_operator.settings import Settings

BACKSTOP_SECONDS = 300
"""The driver ends the search at the timeout; so much later the Job controller ends the driver."""


_JOINED_MEMORY = "1536Mi"
"""Of a driver that has joined a Ray cluster: its own, Tune's, and that of a node of Ray's which runs nothing."""
_HEAD_MEMORY = "2Gi"
"""Of the head of a Ray cluster, which runs no trial."""


def workload(job: TuningJob, settings: Settings) -> Workload:
    """What the search needs.

    Raises:
        InvalidSpecError: it needs an image that this installation does not have.
    """
    trial, budget, database = job.spec.trial, job.spec.budget, job.spec.storage.database_secret_ref
    ray = _ray(job, settings)
    return Workload(
        image=_image(job, settings),
        resources=_resources(job),
        volume=None if database else job.spec.storage.volume or Volume(),
        secret_env=[from_secret("AFINA_STORAGE_URL", database.name, database.key)] if database else [],
        source={"configMap": {"name": trial.source.config_map_ref.name}} if trial.source else None,
        suspend=job.spec.suspend,
        node_selector={GPU_TYPE: trial.resources.gpu_type} if trial.resources.gpu_type and not ray else {},
        ray=ray,
        env={SLOTS: str(budget.parallel_trials)},
        deadline=None if budget.timeout_seconds is None else budget.timeout_seconds + BACKSTOP_SECONDS,
    )


def _resources(job: TuningJob) -> Json:
    """Requests and limits of the driver's pod."""
    trial, parallel, execution = job.spec.trial.resources, job.spec.budget.parallel_trials, job.spec.execution
    if execution.workers:
        return resources(trial, 0, _JOINED_MEMORY)
    return resources(trial, parallel, _ray_memory(parallel) if execution.uses_ray(trial) else DRIVER_MEMORY)


def _ray_memory(trials: int) -> str:
    """What Ray takes of a pod that also drives, beside the trials: its own processes, and an actor for each trial."""
    return f"{1536 + 256 * trials}Mi"


def _ray(job: TuningJob, settings: Settings) -> RayCluster | None:
    trial, workers = job.spec.trial.resources, job.spec.execution.workers
    if not workers:
        return None
    if not settings.ray:
        raise InvalidSpecError(
            "spec.execution.workers needs KubeRay, which this installation does not use: install KubeRay 1.6 or later"
            " and set ray.enabled in the chart's values, or set workers to 0"
        )
    count = slots(job.spec.budget.parallel_trials, workers)
    return RayCluster(
        workers=workers,
        slots=count,
        gpus=math.ceil(trial.gpu * count),
        node_selector={GPU_TYPE: trial.gpu_type} if trial.gpu_type else {},
        head_resources=resources(trial, 0, _HEAD_MEMORY),
        worker_resources=resources(trial, count, f"{768 + 256 * count}Mi"),
    )


def _uses_ray(job: Json) -> bool:
    workers = dig(job, "spec", "execution", "workers")
    return isinstance(workers, int) and workers > 0


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
    uses_ray=_uses_ray,
)
