"""How good an image is for learning: sharpness, exposure and white balance, each from 0 to 1, and their mean.

All are measured on the copy that `reduced` makes, so that they depend little on the resolution.

Sharpness: v / (v + 100), with v the variance of the Laplacian of the luma from 0 to 255 (Pech-Pacheco et al., "Diatom
autofocusing in brightfield microscopy", ICPR 2000). Below the customary threshold of 100, which maps to 0.5, an image
is called blurred.

Exposure: exp(-(m - 0.5)^2 / (2 * 0.2^2)) * (1 - c), with m the mean luma from 0 to 1 and c the share of pixels that are
clipped to black or white (at most 2, or at least 253, of 255). The curve is the "well-exposedness" of Mertens et al.,
"Exposure Fusion", Pacific Graphics 2007.

White balance: the smallest of the means of red, green and blue over the largest. Under neutral light the world is grey
on average (Buchsbaum, "A spatial processor model for object colour perception", J. Franklin Institute 1980).
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.color import rgb2gray
from skimage.filters import laplace

from afina_models.images.reduce import reduced

_BLURRED = 100.0
_CLIPPED = 2.5 / 255


@dataclass(frozen=True)
class Quality:
    """The scores of an image, each from 0 to 1."""

    sharpness: float
    exposure: float
    white_balance: float

    @property
    def score(self) -> float:
        """Their mean."""
        return (self.sharpness + self.exposure + self.white_balance) / 3

    def __str__(self) -> str:
        parts = f"sharpness {self.sharpness:.2f}, exposure {self.exposure:.2f}"
        return f"{parts}, white balance {self.white_balance:.2f}"


def quality(image: Image.Image) -> Quality:
    """The scores of an image in RGB."""
    colours = np.asarray(reduced(image), dtype=np.float32) / 255
    luma = rgb2gray(colours)
    variance = float(np.var(laplace(luma) * 255))
    clipped = float(np.mean((luma <= _CLIPPED) | (luma >= 1 - _CLIPPED)))
    exposure = math.exp(-((float(luma.mean()) - 0.5) ** 2) / (2 * 0.2**2)) * (1 - clipped)
    means = colours.reshape(-1, 3).mean(axis=0)
    balance = float(means.min() / means.max()) if means.max() > 0 else 1.0
    return Quality(variance / (variance + _BLURRED), exposure, balance)
