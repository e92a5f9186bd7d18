"""Dataset: one immutable, hashed and validated version of data."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from afina_api.base import (
    DnsSubdomain,
    LocalReference,
    Metadata,
    Model,
    Resources,
    Status,
    Volume,
    refuse_duplicates,
    rule,
)
from afina_api.s3 import S3Bucket

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
ColumnType = Literal["Numeric", "Categorical", "Boolean", "Datetime", "Text"]
Share = Annotated[float, Field(ge=0, le=1)]
Path = Annotated[str, StringConstraints(pattern=r"^[^/\x00]+(/[^/\x00]+)*$", min_length=1, max_length=1024)]
"""A relative path; it may not climb out by `..`."""

_NO_CLIMBING = re.compile(r"(^|/)\.\.(/|$)")
_ZIP_URL = re.compile(r"[^?#]*\.zip([?#]|$)")
_WHOLE_FOLDERS = "images come as a folder from s3 or from a volume, or in one file that ends in .zip"


class S3Source(S3Bucket):
    """Objects in an S3 bucket."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    """Key of the object; of images: the prefix of all of them, or an archive that ends in .zip."""


class VolumeSource(Model):
    """Files on a volume."""

    rules: ClassVar = (
        rule("!self.path.matches('(^|/)[.][.](/|$)')", "path may not climb out of the volume by ..", field=".path"),
    )

    claim_ref: LocalReference
    """The PersistentVolumeClaim; it is mounted read-only."""
    path: Path
    """The file, or of images the folder or an archive that ends in .zip, relative to the volume's root."""

    @field_validator("path")
    @classmethod
    def _path_stays_inside(cls, path: str) -> str:
        if _NO_CLIMBING.search(path):
            raise ValueError("path may not climb out of the volume by ..")
        return path


class ConfigMapSource(Model):
    """A small file in a ConfigMap."""

    name: DnsSubdomain
    """Name of the ConfigMap."""
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]
    """Key of the file."""


class HTTPSource(Model):
    """A file on a web server."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2048)]
    """Its URL. The host must be on the installation's allow-list (`datasets.allowedHosts` in the chart)."""


class Source(Model):
    """Where the data comes from."""

    rules: ClassVar = (
        rule(
            "[has(self.s3), has(self.volume), has(self.configMap), has(self.http)].filter(x, x).size() == 1",
            "a source is exactly one of s3, volume, configMap or http",
        ),
    )

    s3: S3Source | None = None
    """Objects in an S3 bucket."""
    volume: VolumeSource | None = None
    """Files on a volume."""
    config_map: ConfigMapSource | None = None
    """A small file in a ConfigMap."""
    http: HTTPSource | None = None
    """A file on a web server."""

    @property
    def is_archive(self) -> bool:
        """Whether it is one file that ends in .zip."""
        if self.http:
            return _ZIP_URL.match(self.http.url) is not None
        if self.s3:
            return self.s3.key.endswith(".zip")
        if self.volume:
            return self.volume.path.endswith(".zip")
        return self.config_map is not None and self.config_map.key.endswith(".zip")

    @model_validator(mode="after")
    def _is_exactly_one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.s3, self.volume, self.config_map, self.http)) != 1:
            raise ValueError("a source is exactly one of s3, volume, configMap or http")
        return self


class Column(Model):
    """What a column is, where it should not be guessed."""

    name: ColumnName
    """Name of the column."""
    type: ColumnType
    """What its values are."""
    datetime_format: Annotated[str, StringConstraints(min_length=2, max_length=64)] | None = None
    """Datetime: how it is written, such as `%d.%m.%Y`. Unset: ISO 8601."""


ImageFeatures = Literal["Classical", "EfficientNetLite0"]


class Images(Model):
    """How images are labelled, and which are good enough."""

    labels: Path = "labels.csv"
    """The CSV file with the labels, within the folder."""
    file_column: ColumnName = "file"
    """Its column that names the image, relative to the folder."""
    min_width: Annotated[int, Field(ge=1, le=50_000)] = 512
    """Narrower images are rejected, in pixels."""
    min_height: Annotated[int, Field(ge=1, le=50_000)] = 512
    """Lower images are rejected, in pixels."""
    min_quality: Share = 0.5
    """Images whose quality score, the mean of sharpness, exposure and white balance, is lower are rejected."""
    reject_duplicates: bool = True
    """Of images that look the same (by perceptual hash) the first one stays."""
    features: list[ImageFeatures] = Field(
        default=["Classical"], max_length=2, json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    """What models learn from, as columns. Classical: visibility, colour, texture, gradient and frequencies.
    EfficientNetLite0: the 1,280 values that a network trained on ImageNet sees; runs in the torch image. An empty list:
    nothing."""

    @field_validator("features")
    @classmethod
    def _features_are_unique(cls, features: list[ImageFeatures]) -> list[ImageFeatures]:
        refuse_duplicates(features)
        return features


class Validation(Model):
    """What must be true of the data. A rule about a column that is not there fails."""

    rules: ClassVar = (
        rule(
            "has(self.column) || has(self.minRows)",
            "a rule names a column, or says minRows",
        ),
        rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be greater than max", field=".max"
        ),
    )

    column: ColumnName | None = None
    """The column that the rule is about; with nothing else said, it must be there."""
    type: ColumnType | None = None
    """Its values can be read as this type."""
    min: float | None = None
    """No value is less."""
    max: float | None = None
    """No value is greater."""
    allowed: Annotated[list[Annotated[str, Field(max_length=256)]], Field(min_length=1, max_length=100)] | None = None
    """No other values."""
    max_missing_share: Share | None = None
    """No greater share of the values is missing."""
    unique: Literal[True] | None = None
    """No value is there twice."""
    min_class_share: Share | None = None
    """The rarest value has at least this share of the rows."""
    max_age_seconds: Annotated[int, Field(ge=1, le=100 * 366 * 86_400)] | None = None
    """The newest date in the column is no older."""
    min_rows: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """So many rows are accepted."""
    max_violation_share: Share = 0
    """type, min, max, allowed, unique: such a share of rows may break the rule before it fails."""
    severity: Literal["Error", "Warning"] = "Error"
    """Error: the rows that break it are rejected, and the Dataset is not Ready if it fails. Warning: it is told."""

    @model_validator(mode="after")
    def _says_something_possible(self) -> Self:
        if self.column is None and self.min_rows is None:
            raise ValueError("a rule names a column, or says minRows")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be greater than max")
        return self


class DatasetSpec(Model):
    """Where the data comes from, how to read it, and what must be true of it. It cannot change."""

    rules: ClassVar = (
        rule("self == oldSelf", "a Dataset is one immutable version: create another one, with derivedFrom"),
        rule("!has(self.images) || self.format == 'Images'", "images is for format Images only", field=".images"),
        rule(
            "self.format != 'Images' || has(self.source.s3) || has(self.source.volume)"
            " || (has(self.source.configMap) && self.source.configMap.key.endsWith('.zip'))"
            " || (has(self.source.http) && self.source.http.url.matches('^[^?#]*[.]zip([?#]|$)'))",
            _WHOLE_FOLDERS,
            field=".source",
        ),
    )

    source: Source
    """Where the data comes from."""
    format: Literal["CSV", "TSV", "JSONLines", "Parquet", "Images"]
    """How it is written. Images: a folder of them with a file of labels, or a ZIP archive of such a folder."""
    columns: Annotated[
        list[Column],
        Field(
            max_length=500,
            default_factory=list,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """What columns are, where it should not be guessed."""
    images: Images | None = None
    """How images are labelled, and which are good enough."""
    validation: Annotated[list[Validation], Field(max_length=200, default_factory=list)]
    """What must be true of the data."""
    derived_from: Annotated[list[LocalReference], Field(max_length=20, default_factory=list)]
    """The Datasets that this one was made from: its lineage."""
    volume: Annotated[Volume, Field(default_factory=Volume)]
    """The volume that the accepted data, its statistics and the report are written to."""
    resources: Annotated[Resources, Field(default_factory=Resources)]
    """What the reading Job may use."""

    @field_validator("columns")
    @classmethod
    def _column_names_are_unique(cls, columns: list[Column]) -> list[Column]:
        refuse_duplicates([column.name for column in columns])
        return columns

    @model_validator(mode="after")
    def _images_are_images(self) -> Self:
        if self.images and self.format != "Images":
            raise ValueError("images is for format Images only")
        if self.format == "Images" and not (self.source.s3 or self.source.volume or self.source.is_archive):
            raise ValueError(_WHOLE_FOLDERS)
        return self


class Rejected(Model):
    """Rows or images that were left out, and why."""

    reason: Annotated[str, Field(max_length=128)]
    """Why, as one documented CamelCase word."""
    count: Annotated[int, Field(ge=1)]
    """How many."""


class Finding(Model):
    """A rule that does not hold."""

    rule: Annotated[str, Field(max_length=256)]
    """The rule, such as `income: min 0`."""
    severity: Literal["Error", "Warning"]
    """Whether it matters."""
    message: Annotated[str, Field(max_length=512)]
    """What was found, with numbers."""


class DatasetStatus(Status):
    """What the operator (conditions, times) and the reading Job (all else) observed."""

    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)] | None = None
    """Hash of the source's bytes, whatever the order of its files; of an archive: of the files in it."""
    rows: Annotated[int, Field(ge=0)] | None = None
    """Rows or images that were accepted."""
    columns: Annotated[int, Field(ge=0)] | None = None
    """Columns."""
    bytes: Annotated[int, Field(ge=0)] | None = None
    """Bytes of the source; of an archive: of the files in it."""
    rejected: Annotated[list[Rejected] | None, Field(max_length=50)] = None
    """Rows or images that were left out, by reason. All of them are listed in the report."""
    findings: Annotated[list[Finding] | None, Field(max_length=50)] = None
    """Rules that do not hold."""


class Dataset(Model):
    """One immutable, hashed and validated version of data."""

    rules: ClassVar = (rule("self.metadata.name.size() <= 63", "the name may have at most 63 characters"),)

    api_version: Literal["afina.dev/v1alpha1"]
    """Version of the API."""
    kind: Literal["Dataset"]
    """Kind of the object."""
    metadata: Metadata
    """Kubernetes' own metadata."""
    spec: DatasetSpec
    """Where the data comes from, how to read it, and what must be true of it."""
    status: DatasetStatus | None = None
    """What was observed."""
