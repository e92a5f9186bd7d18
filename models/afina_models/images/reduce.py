"""A smaller copy of an image, so that what is measured depends little on the resolution, and takes bounded memory."""

import math

from PIL import Image

_SIDE = 512
"""Pixels of the shorter side, at most."""
_MAX_PIXELS = 2**20
"""Of the copy: an image that is a thousand times as wide as high stays small too."""


def reduced(image: Image.Image) -> Image.Image:
    """The image itself if it is small enough, else a smaller copy: each pixel the mean of those it stands for."""
    scale = min(_SIDE / min(image.size), math.sqrt(_MAX_PIXELS / (image.width * image.height)))
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)
