"""Finds images that look the same, by perceptual hashes that differ in few bits."""

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MAX_DISTANCE = 4
"""Bits of 64 in which the hashes of two copies of an image, say of different size or compression, may differ."""


class Duplicates:
    """Remembers the hashes of images and what they are called."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._hashes: NDArray[np.uint64] = np.zeros(1024, dtype=np.uint64)

    def first_like(self, name: str, image: Image.Image) -> str | None:
        """The first image that looks the same; if there is none, this one is remembered."""
        bits = np.packbits(imagehash.phash(image).hash.flatten()).tobytes()
        own = np.uint64(int.from_bytes(bits, "big"))
        count = len(self._names)
        distances = np.bitwise_count(self._hashes[:count] ^ own)
        if count and distances.min() <= _MAX_DISTANCE:
            return self._names[int(np.argmax(distances <= _MAX_DISTANCE))]
        if count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * count)
        self._hashes[count] = own
        self._names.append(name)
        return None
