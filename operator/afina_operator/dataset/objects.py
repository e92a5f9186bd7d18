"""What the driver of a Dataset needs."""

from afina_api.dataset import Dataset, Source
from afina_api.reasons import DatasetReason
from afina_api.s3 import S3_KEYS
from afina_operator.driver.children import resources
from afina_operator.driver.kind import Kind, Words, Workload, torch_image
from afina_operator.driver.references import named
from afina_operator.podspec import from_secret
from afina_operator.resources import CONFIG_MAPS, DATASETS, VOLUME_CLAIMS, Json, Ref
from afina_operator.settings import Settings

PREFIX = "ds"


def workload(dataset: Dataset, settings: Settings) -> Workload:
    """What the reading needs.

    Raises:
        InvalidSpecError: it needs an image that this installation does not have.
    """
    source = dataset.spec.source
    hosts = settings.http_allowed_hosts if source.http else ""
    secret = source.s3.secret_ref if source.s3 else None
    return Workload(
        image=_image(dataset, settings),
        resources=resources(dataset.spec.resources),
        volume=dataset.spec.volume,
        env={"AFINA_HTTP_ALLOWED_HOSTS": hosts} if hosts else {},
        secret_env=[from_secret(key, secret.name, key) for key in S3_KEYS] if secret else [],
        source=_volume(source),
        # It reads from the beginning each time: what killed it twice will kill it again.
        restarts=2,
    )


def _image(dataset: Dataset, settings: Settings) -> str:
    images = dataset.spec.images
    if images is None or "EfficientNetLite0" not in images.features:
        return settings.images.runtime
    return torch_image(settings, "spec.images.features: EfficientNetLite0", "or leave it out")


def _volume(source: Source) -> Json | None:
    if source.config_map:
        return {"configMap": {"name": source.config_map.name}}
    if source.volume:
        return {"persistentVolumeClaim": {"claimName": source.volume.claim_ref.name, "readOnly": True}}
    return None


def _mounted(dataset: Json) -> list[tuple[str, Ref]]:
    return [
        *named(dataset, CONFIG_MAPS, "source", "configMap", "name"),
        *named(dataset, VOLUME_CLAIMS, "source", "volume", "claimRef", "name"),
    ]


KIND = Kind(
    resource=DATASETS,
    model=Dataset,
    workload=workload,
    prefix=PREFIX,
    component="dataset",
    summary="Ready",
    reasons=DatasetReason,
    good_ends=(DatasetReason.ACCEPTED,),
    bad_ends=(
        DatasetReason.VALIDATION_FAILED,
        DatasetReason.SOURCE_UNAVAILABLE,
        DatasetReason.SOURCE_NOT_ALLOWED,
        DatasetReason.UNREADABLE_DATA,
        DatasetReason.TOO_LARGE,
        DatasetReason.STORAGE_FULL,
        DatasetReason.INVALID_SPEC,
    ),
    words=Words(
        working="The data is being read.",
        resuming="It is started again, from the beginning.",
        memory="spec.resources.memory",
        image="Correct images.runtime in the chart's values, or push the image.",
    ),
    can_be_suspended=False,
    mounted=_mounted,
)
