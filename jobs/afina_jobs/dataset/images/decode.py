"""Decodes an image, if its header promises nothing that would not fit into memory."""

import struct
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from afina_api.reasons import RejectReason
from afina_jobs.dataset.limits import MAX_PIXELS

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")


class RejectedImageError(Exception):
    """The image is left out."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def decode(file: Path, min_width: int, min_height: int) -> Image.Image:
    """The first picture of a file, in RGB.

    Raises:
        RejectedImageError: it is too large to decode, too small, or not to be decoded.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images, and of odd metadata; both are ours to judge.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_FORMATS) as opened:
                check_size(opened.width, opened.height, min_width, min_height)
                return opened.convert("RGB")
    except Image.DecompressionBombError as error:
        raise RejectedImageError(RejectReason.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:
        raise RejectedImageError(RejectReason.UNREADABLE_IMAGE, f"it is none of {', '.join(_FORMATS)}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error) as error:
        # What Pillow raises for damaged files depends on the format.
        raise RejectedImageError(RejectReason.UNREADABLE_IMAGE, str(error) or type(error).__name__) from error


def check_size(width: int, height: int, min_width: int, min_height: int) -> None:
    """Raises RejectedImageError for too many pixels, or too few."""
    if width * height > MAX_PIXELS:
        detail = f"it is {width} x {height}, and {MAX_PIXELS:,} pixels are allowed"
        raise RejectedImageError(RejectReason.TOO_MANY_PIXELS, detail)
    if width < min_width or height < min_height:
        detail = f"it is {width} x {height}, and {min_width} x {min_height} is the least"
        raise RejectedImageError(RejectReason.TOO_SMALL, detail)
