"""What the driver of an AutoMLJob needs."""

from afina_api.automljob import AutoMLJob
from afina_api.reasons import AutoMLReason
from afina_operator.dataset.objects import PREFIX as DATASET_PREFIX
from afina_operator.driver.children import child_name, resources
from afina_operator.driver.kind import Kind, Mount, Requirement, Words, Workload, torch_image
from afina_operator.driver.references import named
from afina_operator.resources import AUTOML_JOBS, DATASETS, Json, Ref
from afina_operator.settings import Settings

GRACE_SECONDS = 3600
"""After its time, the search still makes ensembles, measures, exports and registers: so much later it is ended."""

_DATASET = "/var/lib/dataset"


def workload(job: AutoMLJob, settings: Settings) -> Workload:
    """What the search needs.

    Raises:
        InvalidSpecError: it needs an image that this installation does not have.
    """
    spec = job.spec
    claim = {"claimName": child_name(DATASET_PREFIX, spec.dataset_ref.name), "readOnly": True}
    return Workload(
        image=_image(job, settings),
        resources=resources(spec.resources, spec.parallel_trials),
        volume=spec.volume,
        env={"AFINA_DATASET": _DATASET},
        mounts=[Mount("dataset", _DATASET, {"persistentVolumeClaim": claim})],
        suspend=spec.suspend,
        deadline=2 * spec.budget.seconds + GRACE_SECONDS,
    )


def _image(job: AutoMLJob, settings: Settings) -> str:
    if job.spec.image or "MLP" not in job.spec.models:
        return job.spec.image or settings.images.runtime
    return torch_image(settings, "spec.models: MLP", "set spec.image, or leave MLP out")


def _mounted(job: Json) -> list[tuple[str, Ref]]:
    return named(job, DATASETS, "datasetRef", "name")


def _dataset(job: Json) -> Ref | None:
    return next((target for _, target in _mounted(job)), None)


KIND = Kind(
    resource=AUTOML_JOBS,
    model=AutoMLJob,
    workload=workload,
    prefix="aml",
    component="automl",
    summary="Succeeded",
    reasons=AutoMLReason,
    good_ends=(AutoMLReason.MODEL_READY,),
    bad_ends=(
        AutoMLReason.LEAKAGE_FOUND,
        AutoMLReason.TARGET_MISSING,
        AutoMLReason.TARGET_UNUSABLE,
        AutoMLReason.DATASET_TOO_SMALL,
        AutoMLReason.DATASET_UNREADABLE,
        AutoMLReason.NO_MODEL_SUCCEEDED,
        AutoMLReason.CONSTRAINTS_UNMET,
        AutoMLReason.PARITY_BROKEN,
        AutoMLReason.REGISTRATION_FAILED,
        AutoMLReason.STORAGE_FULL,
        AutoMLReason.INVALID_SPEC,
    ),
    words=Words(
        working="Models are being fitted.",
        resuming="It is started again; fitted models are kept.",
        memory="spec.resources.memory",
        image="Correct spec.image, or push the image.",
        deadline="twice spec.budget",
    ),
    # It may be deleted between the making of the Job and that of its pod.
    mounted=_mounted,
    requires=Requirement(_dataset, AutoMLReason.DATASET_NOT_READY),
)
