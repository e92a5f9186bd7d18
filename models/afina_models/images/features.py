"""Numbers that describe an image: visibility, colour, texture, gradient and frequencies. Pure and deterministic.

All are measured on the copy that `reduced` makes, so that they depend little on the resolution. None is missing, not
even of an image of one colour or of one pixel.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import entropy
from skimage.color import rgb2gray, rgb2lab
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.filters import sobel_h, sobel_v

from afina_models.images.reduce import reduced

Plane = NDArray[np.float64]
Features = dict[str, float]

_LEVELS = 256
_LBP_POINTS, _LBP_RADIUS = 24, 3
_DIRECTIONS = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_EDGE = 0.1
_FREQUENCY_BANDS = (1 / 16, 1 / 4)
"""Cycles per pixel: where the middle frequencies begin and end. The highest is 1/2 along an axis."""
_SLOPE_BINS = 24


def classical_features(image: Image.Image) -> Features:
    """All features of an image in RGB, by their names, always in the same order."""
    colours = np.asarray(reduced(image))
    grey = rgb2gray(colours)
    lab = rgb2lab(colours)
    return {
        **_visibility(lab[..., 0]),
        **_colour(colours, lab),
        **_texture(np.round(grey * 255).astype(np.uint8)),
        **_gradient(grey),
        **_frequency(grey),
    }


def _visibility(lightness: Plane) -> Features:
    """Haze lifts the lightness L* (CIE 1976, 0 to 100) of the dark and takes its spread: its mean, deviation, range and
    Shannon entropy in bits.
    """
    counts = np.bincount(np.round(lightness * 2.55).astype(int).ravel(), minlength=_LEVELS)
    return {
        "visibility_mean": float(lightness.mean()),
        "visibility_std": float(lightness.std()),
        "visibility_contrast": float(np.ptp(lightness)),
        "visibility_entropy": float(entropy(counts, base=2)),
    }


def _colour(colours: NDArray[np.uint8], lab: Plane) -> Features:
    """Means and deviations of a* (green to red), b* (blue to yellow) and the saturation of HSV.

    Colourfulness: Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 2003. Dark channel: the mean
    over the image of the darkest of all channels; He et al., "Single image haze removal using dark channel prior", CVPR
    2009, take the minimum over a patch too, which says the same on average.
    """
    red, green, blue = (colours[..., channel].astype(float) for channel in range(3))
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*(plane.std() for plane in opponents))
    shift = np.hypot(*(plane.mean() for plane in opponents))
    darkest, brightest = (pick(pick(red, green), blue) for pick in (np.minimum, np.maximum))
    saturation = 1 - darkest / np.maximum(brightest, 1)
    saturation[brightest == 0] = 0
    planes = {"colour_a": lab[..., 1], "colour_b": lab[..., 2], "colour_saturation": saturation}
    found = {f"{name}_mean": float(plane.mean()) for name, plane in planes.items()}
    found |= {f"{name}_std": float(plane.std()) for name, plane in planes.items()}
    return found | {
        "colourfulness": float(spread + 0.3 * shift),
        "dark_channel": float(darkest.mean() / 255),
    }


def _texture(grey: NDArray[np.uint8]) -> Features:
    """GLCM: how grey levels of neighbours occur together, over four directions at distance 1; Haralick et al.,
    "Textural features for image classification", IEEE Trans. SMC 1973.

    LBP: rotation-invariant uniform binary patterns of 24 points at radius 3; Ojala et al., "Multiresolution gray-scale
    and rotation invariant texture classification", IEEE Trans. PAMI 2002. Of them the share of pixels whose pattern is
    uniform, and the Shannon entropy of all, in bits.
    """
    matrix = graycomatrix(grey, distances=[1], angles=_DIRECTIONS, levels=_LEVELS, symmetric=True, normed=True)
    properties = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")
    found = {f"glcm_{name}": float(graycoprops(matrix, name).mean()) for name in properties}
    patterns = local_binary_pattern(grey, P=_LBP_POINTS, R=_LBP_RADIUS, method="uniform").astype(int)
    counts = np.bincount(patterns.ravel(), minlength=_LBP_POINTS + 2)
    return found | {
        "lbp_uniformity": float(1 - counts[-1] / counts.sum()),
        "lbp_entropy": float(entropy(counts, base=2)),
    }


def _gradient(grey: Plane) -> Features:
    """Sobel's gradient of the luma: its mean, deviation, and the share of pixels that are edges.

    Horizon clarity: the largest, over the rows, of the absolute mean of the vertical gradient in a row. Along a horizon
    it points one way, in textures it cancels out.
    """
    vertical, horizontal = sobel_h(grey), sobel_v(grey)
    magnitude = np.hypot(vertical, horizontal)
    return {
        "gradient_mean": float(magnitude.mean()),
        "gradient_std": float(magnitude.std()),
        "gradient_edges": float(np.mean(magnitude > _EDGE)),
        "horizon_clarity": float(np.abs(vertical.mean(axis=1)).max()),
    }


def _frequency(grey: Plane) -> Features:
    """Of the power spectrum of the luma under a Hann window: the shares of middle and high frequencies, the mean
    frequency in cycles per pixel, and the slope of log power over log frequency, which is about -2 in natural images
    and steeper in hazy or blurred ones (Field, J. Opt. Soc. Am. A 1987).
    """
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in grey.shape))
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1]))
    total = power.sum()
    if total <= np.finfo(float).eps:
        return {"frequency_middle": 0.0, "frequency_high": 0.0, "frequency_mean": 0.0, "frequency_slope": 0.0}
    low, high = _FREQUENCY_BANDS
    return {
        "frequency_middle": float(power[(radius >= low) & (radius < high)].sum() / total),
        "frequency_high": float(power[radius >= high].sum() / total),
        "frequency_mean": float((power * radius).sum() / total),
        "frequency_slope": _slope(power, radius, 1 / max(grey.shape)),
    }


def _slope(power: Plane, radius: Plane, lowest: float) -> float:
    """Of a line through the mean powers of rings whose radii grow by a constant factor."""
    edges = np.geomspace(lowest, 0.5, _SLOPE_BINS + 1)
    ring = np.digitize(radius.ravel(), edges)
    sums, counts = (np.bincount(ring, weights, _SLOPE_BINS + 2)[1:-1] for weights in (power.ravel(), None))
    known = (counts > 0) & (sums > 0)
    if known.sum() < 2:
        return 0.0
    middles = np.sqrt(edges[:-1] * edges[1:])[known]
    return float(np.polyfit(np.log(middles), np.log(sums[known] / counts[known]), 1)[0])


NAMES = tuple(classical_features(Image.new("RGB", (1, 1))))
"""Names of all features, in their order."""
