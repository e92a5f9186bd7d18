"""The features that a Dataset asks for, kept in files: those of a million images do not fit into memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afina_api.dataset import ImageFeatures
from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError
from afina_models.images.kinds import KINDS, Describe


class FeatureStore:
    """Numbers of images, read in the order in which the images were added."""

    def __init__(self, file: Path, names: tuple[str, ...], describe: Describe) -> None:
        """Begin with no images; the file is made anew."""
        self.names = names
        self._file = file
        self._describe = describe
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")

    def add(self, image: Image.Image) -> None:
        """Describe one more image."""
        with self._file.open("ab") as stream:
            stream.write(np.asarray(self._describe(image), dtype=np.float64).tobytes())

    def rows(self, first: int, count: int) -> NDArray[np.float64]:
        """The numbers of some images, images x names."""
        width = len(self.names)
        found = np.fromfile(self._file, np.float64, count * width, offset=first * width * 8)
        return found.reshape(-1, width)


def open_stores(wanted: Sequence[ImageFeatures], folder: Path, threads: int) -> list[FeatureStore]:
    """A store for each kind of features, in the order of their columns.

    Raises:
        DatasetError: a package that one needs is not there.
    """
    kinds = {name: kind for name, kind in KINDS.items() if name in wanted}
    try:
        return [FeatureStore(folder / name, kind.names, kind.load(threads)) for name, kind in kinds.items()]
    except ModuleNotFoundError as error:
        message = f"spec.images.features: EfficientNetLite0 needs the package {error.name}"
        how = "run it in the image afina-runtime-torch, or pip install 'afina[torch]'"
        raise DatasetError(DatasetReason.INVALID_SPEC, f"{message}: {how}") from error
