"""One Dataset from its spec to its volume: the same in a pod and on a laptop."""

import errno
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from afina_api.dataset import Dataset, DatasetStatus, Finding, Images, Rejected, Source
from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError
from afina_jobs.dataset.reading import open_reader
from afina_jobs.dataset.reading.base import RowReader
from afina_jobs.dataset.rejections import Rejections
from afina_jobs.dataset.report import Report, write_report
from afina_jobs.dataset.rows import accept_rows
from afina_jobs.dataset.rules import summary_findings
from afina_jobs.dataset.sources import archive, files
from afina_jobs.dataset.sources.addresses import AllowList
from afina_jobs.dataset.sources.base import Fetched
from afina_jobs.dataset.statistics import column_statistics
from afina_jobs.dataset.values import check_format
from afina_jobs.dataset.volume import DATA, IMAGES, MARKER, DatasetVolume, spec_digest
from afina_jobs.process.limits import processors

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MAX_LISTED = 50
"""Findings and reasons in the status; the report has all."""


@dataclass(frozen=True)
class Place:
    """Where a Dataset comes from and goes to."""

    mounted: Path | None
    """Where the ConfigMap or the volume of the source is mounted."""
    volume: Path
    workspace: Path
    """A folder for what is fetched; it is emptied first."""
    allowed_hosts: AllowList
    env: Mapping[str, str]
    """With AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, where S3 needs them."""


@dataclass(frozen=True)
class Outcome:
    """What came of a Dataset."""

    reason: DatasetReason
    message: str
    status: DatasetStatus

    @property
    def succeeded(self) -> bool:
        """Whether it is Ready."""
        return self.reason == DatasetReason.ACCEPTED


Tell = Callable[[DatasetStatus], object]
"""Called with what is known before the end."""


def build(dataset: Dataset, place: Place, now: datetime, tell: Tell = lambda _: None) -> Outcome:
    """Read, check and keep the data of a Dataset. What is finished already is not done again.

    Args:
        dataset: its spec is valid.
        place: where from and where to.
        now: with a time zone; what dates are compared with.
        tell: called as soon as the source's digest is known.
    """
    volume = DatasetVolume(place.volume)
    if report := volume.finished(dataset):
        log.info("the Dataset is finished already, and is left as it is")
        return _again(report)
    fetched: Fetched | None = None
    try:
        _check(dataset)
        volume.begin()
        fetched = fetch(dataset, place)
        tell(_known(fetched))
        log.info("fetched %s: %s", fetched.name, fetched.digest)
        reader = _reader(dataset, fetched, place.workspace)
        report_ = _read(dataset, fetched, reader, volume, now.astimezone(UTC).replace(tzinfo=None))
        _publish(dataset, reader, report_, volume)
        return Outcome(report_.reason, report_.message, _status(report_))
    except DatasetError as error:
        return Outcome(error.reason, error.message, _known(fetched))
    except OSError as error:
        if error.errno not in _FULL and "No space left" not in str(error):
            raise
        message = f"no space is left for {error.filename or 'the data'}: enlarge spec.volume.size, or the node's disk"
        return Outcome(DatasetReason.STORAGE_FULL, message, _known(fetched))


def fetch(dataset: Dataset, place: Place) -> Fetched:
    """Bring the source's bytes here.

    Raises:
        DatasetError: they cannot be had.
    """
    images = dataset.spec.format == "Images"
    if not (images and dataset.spec.source.is_archive):
        return _bring(dataset.spec.source, place, folder=images)
    packed = _bring(dataset.spec.source, place, folder=False)
    return archive.unpack(packed, _empty(place.workspace / "unpacked"))


def _bring(source: Source, place: Place, *, folder: bool) -> Fetched:
    """A file of the source, or all below its path as a folder."""
    target = _empty(place.workspace / "source")
    if source.s3:
        from afina_jobs.dataset.sources import s3  # takes half a second to import

        return s3.download(source.s3, place.env, place.allowed_hosts, target, prefix=folder)
    if source.http:
        from afina_jobs.dataset.sources import http  # the same

        return http.download(source.http.url, place.allowed_hosts, target / "file")
    if place.mounted is None:
        raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, "the source is not mounted: AFINA_SOURCE is not set")
    if source.config_map:
        name = f"{source.config_map.key} of ConfigMap {source.config_map.name}"
        return files.mounted(place.mounted, source.config_map.key, name, folder=False)
    assert source.volume  # noqa: S101 - the model has exactly one source
    name = f"{source.volume.path} on volume {source.volume.claim_ref.name}"
    return files.mounted(place.mounted, source.volume.path, name, folder=folder)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _check(dataset: Dataset) -> None:
    for index, column in enumerate(dataset.spec.columns):
        problem = None
        if column.datetime_format:
            problem = check_format(column.datetime_format) if column.type == "Datetime" else "is for type Datetime only"
        if problem:
            message = f"spec.columns[{index}].datetimeFormat {problem}"
            raise DatasetError(DatasetReason.INVALID_SPEC, message)


def _read(dataset: Dataset, fetched: Fetched, reader: RowReader, volume: DatasetVolume, now: datetime) -> Report:
    spec, data = dataset.spec, volume.building / DATA
    with Rejections(volume.building / "rejected.csv") as rejections:
        accepted = accept_rows(reader, spec, data, rejections.add)
    columns = column_statistics(data, accepted.plans)
    by_name = {column.name: column for column in columns}
    findings = [*accepted.findings, *summary_findings(spec.validation, by_name, accepted.rows, now)]
    reader.copy_images(data, volume.building / IMAGES)
    reason, message = _verdict(accepted.rows, len(columns), rejections, findings)
    return Report(
        name=dataset.metadata.name,
        namespace=dataset.metadata.namespace,
        source=fetched.name,
        digest=fetched.digest,
        bytes=fetched.bytes,
        rows=accepted.rows,
        rejected=rejections.by_reason(),
        findings=findings,
        columns=columns,
        images=reader.image_summary(),
        reason=reason,
        message=message,
    )


def _reader(dataset: Dataset, fetched: Fetched, workspace: Path) -> RowReader:
    if dataset.spec.format == "Images":
        from afina_jobs.dataset.images.reader import ImageReader  # takes seconds to import

        images, threads = dataset.spec.images or Images(), processors(dataset.spec.resources.cpu)
        return ImageReader(fetched.path, fetched.name, images, workspace, threads)
    return open_reader(fetched.path, fetched.name, dataset.spec.format)


def _verdict(rows: int, columns: int, rejections: Rejections, findings: list[Finding]) -> tuple[DatasetReason, str]:
    errors = [f"{finding.rule}: {finding.message}" for finding in findings if finding.severity == "Error"]
    counts = ", ".join(f"{rejected.count:,} {rejected.reason}" for rejected in rejections.by_reason())
    left_out = f"{rejections.total:,} rejected ({counts})" if counts else "none rejected"
    if not rows:
        errors = [f"no row is accepted, {left_out}", *errors]
    if errors:
        more = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
        return DatasetReason.VALIDATION_FAILED, "; ".join(errors[:5]) + more + "; see report.html on the volume"
    warnings = f"; {len(findings)} warnings" if findings else ""
    return DatasetReason.ACCEPTED, f"{rows:,} rows of {columns:,} columns accepted, {left_out}{warnings}"


def _publish(dataset: Dataset, reader: RowReader, report: Report, volume: DatasetVolume) -> None:
    """Keep the report, and if the data was accepted that too."""
    write_report(report, volume.building)
    if report.reason == DatasetReason.ACCEPTED:
        description = _description(dataset, reader, report)
        (volume.building / MARKER).write_text(json.dumps(description, indent=1, allow_nan=False))
    else:
        (volume.building / DATA).unlink()
        shutil.rmtree(volume.building / IMAGES, ignore_errors=True)
    volume.publish()


def _description(dataset: Dataset, reader: RowReader, report: Report) -> dict[str, Any]:
    """dataset.json: what the data is and looks like."""
    metadata = dataset.metadata
    return {
        "name": metadata.name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
        "specDigest": spec_digest(dataset),
        "digest": report.digest,
        "source": report.source,
        "format": dataset.spec.format,
        "rows": report.rows,
        "bytes": report.bytes,
        "columns": [column.as_json() for column in report.columns],
        "images": reader.image_columns,
        "derivedFrom": [reference.name for reference in dataset.spec.derived_from],
    }


def _status(report: Report) -> DatasetStatus:
    return DatasetStatus(
        conditions=[],
        digest=report.digest,
        rows=report.rows,
        columns=len(report.columns),
        bytes=report.bytes,
        rejected=report.rejected[:_MAX_LISTED],
        findings=sorted(report.findings, key=lambda finding: finding.severity)[:_MAX_LISTED],
    )


def _known(fetched: Fetched | None) -> DatasetStatus:
    """What there is to say when nothing was made of the source."""
    return (
        DatasetStatus(conditions=[], digest=fetched.digest, bytes=fetched.bytes)
        if fetched
        else DatasetStatus(conditions=[])
    )


def _again(report: Mapping[str, Any]) -> Outcome:
    """The outcome of a Dataset that is finished, which only accepted ones are, from its report."""
    status = DatasetStatus(
        conditions=[],
        digest=report["digest"],
        rows=report["rows"],
        columns=len(report["columns"]),
        bytes=report["bytes"],
        rejected=[Rejected.model_validate(found) for found in report["rejected"]][:_MAX_LISTED],
        findings=[Finding.model_validate(found) for found in report["findings"]][:_MAX_LISTED],
    )
    return Outcome(DatasetReason.ACCEPTED, report["message"], status)
