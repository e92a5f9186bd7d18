"""Images in requests, measured as the Dataset did that the model learned from."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from afina_api.reasons import RejectReason
from afina_api.serving import ServerReason
from afina_models.images.decode import RejectedImageError, decode
from afina_models.images.kinds import KINDS, Describe
from afina_models.images.learned import LearnedImages
from afina_models.images.quality import quality
from afina_models.images.reduce import reduced
from afina_serving.errors import RequestError, StartError
from afina_serving.model import Features

MAX_IMAGES = 32
"""Of a request: each takes a fifth of a second."""
MAX_PIXELS = 40_000_000
"""Of all images of a request. To decode one takes up to 12 bytes a pixel (a progressive JPEG in CMYK), and a replica
has 1 GiB unless more is asked for."""
FORMATS = ("JPEG", "PNG")
_THREADS = 1
"""More processors are used by more replicas."""


class MeasuredImages:
    """Measures images. May be called by several threads at once."""

    def __init__(self, learned: LearnedImages) -> None:
        """Load what measures, and try it.

        Raises:
            StartError: it is not here, or it is not what the model learned from.
        """
        self.learned = learned
        self._described = [_load(kind, version) for kind, version in learned.versions.items()]
        # The first time is the slowest.
        self._features(Image.new("RGB", (64, 64)))

    def __call__(self, contents: Mapping[str, bytes]) -> tuple[list[Features], list[str]]:
        """The features of images, and what is to be told of them.

        Args:
            contents: of the images' files, by what messages call them.

        Raises:
            RequestError: there are too many, or one is too large (413) or cannot be decoded (422).
        """
        if len(contents) > MAX_IMAGES:
            raise RequestError(413, f"a request may have {MAX_IMAGES} images, and this has {len(contents)}")
        found, told, left = [], [], MAX_PIXELS
        for name, content in contents.items():
            image = _decoded(name, content, left)
            left -= image.width * image.height
            small = reduced(image)
            told += [f"{name}: {warning}" for warning in self._warnings(image, small)]
            found.append(self._features(small))
        return found, told

    def _features(self, small: Image.Image) -> Features:
        found: Features = {}
        for names, describe in self._described:
            found |= zip(names, np.asarray(describe(small), dtype=float).tolist(), strict=True)
        return found

    def _warnings(self, image: Image.Image, small: Image.Image) -> list[str]:
        """Whether the Dataset would have left the image out."""
        learned, seen = self.learned, quality(small)
        found = []
        if image.width < learned.min_width or image.height < learned.min_height:
            least = f"{learned.min_width} x {learned.min_height}"
            found.append(f"it is {image.width} x {image.height}, and the model learned from {least} at least")
        if seen.score < learned.min_quality:
            least = f"{learned.min_quality:.2f}"
            found.append(f"its quality is {seen.score:.2f}, and the model learned from {least} at least: {seen}")
        return found


def _load(kind: str, version: int) -> tuple[tuple[str, ...], Describe]:
    """The names of a kind of features, and what measures them."""
    known = KINDS.get(kind)
    if known is None or known.version != version:
        has = "does not know it" if known is None else f"has version {known.version}"
        message = f"the model learned from images by {kind}, version {version}, and this server {has}"
        raise StartError(
            ServerReason.MODEL_UNREADABLE, f"{message}: set spec.image to that of the job, or learn it again"
        )
    try:
        return known.names, known.load(_THREADS)
    except ModuleNotFoundError as error:
        message = f"the model learned from images by {kind}, which needs the package {error.name}"
        how = "set spec.image to afina-runtime-torch, or pip install 'afina[torch]'"
        raise StartError(ServerReason.MODEL_UNREADABLE, f"{message}: {how}") from error


def _decoded(name: str, content: bytes, max_pixels: int) -> Image.Image:
    try:
        return decode(io.BytesIO(content), max_pixels=max_pixels, formats=FORMATS)
    except RejectedImageError as error:
        if error.reason is RejectReason.TOO_MANY_PIXELS:
            together = f"all images of a request may have {MAX_PIXELS:,} together"
            raise RequestError(413, f"{name}: {error.detail}: {together}") from error
        raise RequestError(422, f"{name}: {error.detail}") from error
