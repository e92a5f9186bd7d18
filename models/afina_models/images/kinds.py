"""The kinds of features that images have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike
from PIL import Image

from afina_models.images import embeddings, features

Describe = Callable[[Image.Image], ArrayLike]
"""From an image in RGB, as `reduced` leaves it, to numbers, as many as there are names."""


@dataclass(frozen=True)
class Kind:
    """Features that are measured together."""

    version: int
    """To be raised with every change of a number: a model must not be asked with others than it learned from."""
    names: tuple[str, ...]
    load: Callable[[int], Describe]
    """Makes ready to measure with so many threads. Raises ModuleNotFoundError where a package is not installed."""


def _load_classical(_threads: int) -> Describe:
    return lambda image: list(features.classical_features(image).values())


KINDS: Mapping[str, Kind] = {
    "Classical": Kind(1, features.NAMES, _load_classical),
    "EfficientNetLite0": Kind(1, embeddings.NAMES, embeddings.load_embedder),
}
"""By their names in the spec, in the order of their columns."""
