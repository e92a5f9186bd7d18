"""Decodes an image, if its header promises nothing that would not fit into memory."""

import struct
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from afina_api.reasons import RejectReason

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
MAX_PIXELS = 100_000_000
"""Of an image: 400 MB when decoded."""


class RejectedImageError(Exception):
    """The image is left out."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def decode(
    file: Path | BinaryIO,
    min_width: int = 1,
    min_height: int = 1,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
) -> Image.Image:
    """The first picture of a file, in RGB.

    Raises:
        RejectedImageError: it is too large to decode, too small, or not to be decoded.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images, and of odd metadata; both are ours to judge.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=formats) as opened:
                _check_size(opened.width, opened.height, min_width, min_height, max_pixels)
                return opened.convert("RGB")
    except Image.DecompressionBombError as error:
        detail = f"it has more than the {max_pixels:,} pixels that are allowed"
        raise RejectedImageError(RejectReason.TOO_MANY_PIXELS, detail) from error
    except UnidentifiedImageError as error:
        raise RejectedImageError(RejectReason.UNREADABLE_IMAGE, f"it is none of {', '.join(formats)}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error) as error:
        # What Pillow raises for damaged files depends on the format.
        raise RejectedImageError(RejectReason.UNREADABLE_IMAGE, str(error) or type(error).__name__) from error


def _check_size(width: int, height: int, min_width: int, min_height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        detail = f"it is {width} x {height}, and {max_pixels:,} pixels are allowed"
        raise RejectedImageError(RejectReason.TOO_MANY_PIXELS, detail)
    if width < min_width or height < min_height:
        detail = f"it is {width} x {height}, and {min_width} x {min_height} is the least"
        raise RejectedImageError(RejectReason.TOO_SMALL, detail)
