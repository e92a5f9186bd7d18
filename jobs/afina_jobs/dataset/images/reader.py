"""Reads the labels, and of their images only those that are good enough, with their features."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from afina_api.dataset import Column, Images
from afina_api.reasons import DatasetReason, RejectReason
from afina_jobs.dataset.errors import DatasetError, unreadable
from afina_jobs.dataset.images.duplicates import Duplicates
from afina_jobs.dataset.images.store import open_stores
from afina_jobs.dataset.progress import Progress
from afina_jobs.dataset.reading.base import Batch, Reject, RowReader
from afina_jobs.dataset.reading.delimited import DelimitedReader
from afina_jobs.dataset.sources.files import files_below, inside
from afina_jobs.dataset.statistics import BINS
from afina_models.images.decode import RejectedImageError, decode
from afina_models.images.kinds import KINDS
from afina_models.images.learned import LearnedImages
from afina_models.images.quality import Quality, quality
from afina_models.images.reduce import reduced

log = logging.getLogger(__name__)

IMAGE_COLUMN = "image"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
_BATCH_ROWS = 1_024
"""There may be over a thousand features to a row."""


@dataclass(frozen=True)
class Measured:
    """An image that could be decoded."""

    width: int
    height: int
    quality: Quality


class ImageReader(RowReader):
    """Rows are the labels' rows; the column with the file's name is called `image`. The images' features come last.

    Files without an image's suffix are no images and need no label.
    """

    def __init__(self, folder: Path, name: str, images: Images, workspace: Path, threads: int) -> None:
        """Read the labels and look at every image, once.

        Args:
            folder: where labels and images lie.
            name: what messages call it.
            images: of the spec.
            workspace: a folder for the features.
            threads: that one image may be described by.

        Raises:
            DatasetError: there are no labels, or they do not name files.
        """
        labels = inside(folder, images.labels)
        if labels is None or not labels.is_file():
            message = f"{name} has no file {images.labels!r}: say images.labels"
            raise DatasetError(DatasetReason.SOURCE_UNAVAILABLE, message)
        self._folder, self._images, self._labels_file = folder, images, labels
        self._labels = DelimitedReader(labels, f"{name}/{images.labels}", ",")
        measured = _measured(images)
        features = [name for names in measured.columns.values() for name in names]
        self._refuse_columns(features)
        labels_columns = [IMAGE_COLUMN if column == images.file_column else column for column in self._labels.columns]
        self.columns = [*labels_columns, *features]
        numbers = (Column(name=feature, type="Numeric") for feature in features)
        self.image_columns = {"column": IMAGE_COLUMN, "features": features, "measured": asdict(measured)}
        self.declared = (Column(name=IMAGE_COLUMN, type="Text"), *numbers)
        self.missing_words = self._labels.missing_words
        self.findings = self._labels.findings
        self.measured: list[Measured] = []
        self._left_out: dict[int, RejectedImageError] = {}
        self._stores = open_stores(images.features, workspace / "features", threads)
        self._look()

    def batches(self, reject: Reject) -> Iterator[Batch]:
        named: set[Path] = {self._labels_file}
        yielded = 0
        for batch in self._labels_in_pieces(reject):
            files = self._files(batch)
            named.update(path for file in files if (path := self._path(file)))
            left_out = [self._left_out.get(int(number)) for number in batch.numbers]
            for number, file, error in zip(batch.numbers, files, left_out, strict=True):
                if error:
                    reject(int(number), error.reason, f"{file}: {error.detail}")
            kept = np.array([error is None for error in left_out], np.bool_)
            position = self.columns.index(IMAGE_COLUMN)
            data = batch.data.set_column(position, self._images.file_column, pa.array(files, pa.string()))
            data = data.filter(pa.array(kept))
            if len(data):
                arrays = [*data.columns, *self._features(yielded, len(data))]
                yield Batch(batch.numbers[kept], pa.RecordBatch.from_arrays(arrays, names=self.columns))
                yielded += len(data)
        for path in files_below(self._folder.resolve()):
            if path not in named and path.suffix.lower() in _SUFFIXES:
                name = str(path.relative_to(self._folder.resolve()))
                reject(name, RejectReason.UNLABELLED, f"{name} is not in {self._images.labels}")

    def image_summary(self) -> dict[str, Any]:
        scores = {
            "quality": [found.quality.score for found in self.measured],
            "sharpness": [found.quality.sharpness for found in self.measured],
            "exposure": [found.quality.exposure for found in self.measured],
            "whiteBalance": [found.quality.white_balance for found in self.measured],
        }
        sizes = {"width": [found.width for found in self.measured], "height": [found.height for found in self.measured]}
        found = {name: _histogram(values, 1.0) for name, values in scores.items()}
        return found | {name: _histogram(values, max(values, default=1)) for name, values in sizes.items()}

    def copy_images(self, data: Path, target: Path) -> None:
        target.mkdir()
        with pq.ParquetFile(data) as opened:
            for batch in opened.iter_batches(columns=[IMAGE_COLUMN]):
                for name in batch.column(0).to_pylist():
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    copyfile(self._folder / name, target / name)

    def _refuse_columns(self, features: Sequence[str]) -> None:
        """Raises DatasetError if the labels do not name the images, or have a name that is ours."""
        labels, file_column, columns = self._images.labels, self._images.file_column, self._labels.columns
        if file_column not in columns:
            there = ", ".join(columns[:20])
            raise unreadable(f"{labels} has no column {file_column!r}, only {there}: say images.fileColumn")
        if IMAGE_COLUMN in columns and file_column != IMAGE_COLUMN:
            raise unreadable(f"{labels} has a column 'image' besides {file_column!r}: rename it")
        if taken := sorted(set(features) & set(columns)):
            message = f"{labels} has a column {taken[0]!r}, which is the name of a feature of images"
            raise unreadable(f"{message}: rename it, or leave the features out: images.features")

    def _labels_in_pieces(self, reject: Reject) -> Iterator[Batch]:
        for batch in self._labels.batches(reject):
            for first in range(0, len(batch.data), _BATCH_ROWS):
                piece = slice(first, first + _BATCH_ROWS)
                yield Batch(batch.numbers[piece], batch.data.slice(first, _BATCH_ROWS))

    def _features(self, first: int, count: int) -> Iterator[pa.Array]:
        for store in self._stores:
            for column in store.rows(first, count).T:
                yield pa.array(column)

    def _look(self) -> None:
        seen: set[Path] = set()
        duplicates, progress = Duplicates(), Progress("looking at images:")
        for batch in self._labels.batches(lambda *_: None):
            for number, file in zip(batch.numbers, self._files(batch), strict=True):
                try:
                    self._judge(file, seen, duplicates)
                except RejectedImageError as error:
                    self._left_out[int(number)] = error
                progress.rows(int(number))

    def _judge(self, file: str, seen: set[Path], duplicates: Duplicates) -> None:
        path = self._path(file)
        if path is None or not path.is_file():
            raise RejectedImageError(RejectReason.MISSING_FILE, "there is no such file")
        if path in seen:
            raise RejectedImageError(RejectReason.DUPLICATE_IMAGE, "it is named in a row above")
        seen.add(path)
        image = decode(path, self._images.min_width, self._images.min_height)
        small = reduced(image)
        found = quality(small)
        self.measured.append(Measured(image.width, image.height, found))
        if found.score < self._images.min_quality:
            detail = f"its quality is {found.score:.2f}, and {self._images.min_quality:.2f} is the least: {found}"
            raise RejectedImageError(RejectReason.LOW_QUALITY, detail)
        self._refuse_duplicate(file, image, duplicates)
        for store in self._stores:
            store.add(small)

    def _refuse_duplicate(self, file: str, image: Image.Image, duplicates: Duplicates) -> None:
        if self._images.reject_duplicates and (first := duplicates.first_like(file, image)):
            raise RejectedImageError(RejectReason.DUPLICATE_IMAGE, f"it looks like {first}")

    def _files(self, batch: Batch) -> list[str]:
        return [file.strip() for file in batch.data.column(self._images.file_column).to_pylist()]

    def _path(self, file: str) -> Path | None:
        """Where an image lies, or None if that is no place within the folder."""
        if not file or "\0" in file or len(file) > 1024 or ".." in Path(file).parts or Path(file).is_absolute():
            return None
        return inside(self._folder, file)


def _measured(images: Images) -> LearnedImages:
    kinds = {name: kind for name, kind in KINDS.items() if name in images.features}
    return LearnedImages(
        versions={name: kind.version for name, kind in kinds.items()},
        columns={name: kind.names for name, kind in kinds.items()},
        min_width=images.min_width,
        min_height=images.min_height,
        min_quality=images.min_quality,
    )


def _histogram(values: Sequence[float], high: float) -> dict[str, Any]:
    counts, edges = np.histogram(values, BINS, (0.0, high))
    return {"edges": edges.tolist(), "counts": counts.tolist()}
