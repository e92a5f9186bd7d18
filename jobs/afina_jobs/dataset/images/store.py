"""Numbers of images in a file, for those of a million images do not fit into memory."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray


class FeatureStore:
    """Rows of numbers, each with the same names, read in the order in which they were added."""

    def __init__(self, file: Path, names: tuple[str, ...]) -> None:
        """Begin with no rows; the file is made anew."""
        self.names = names
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")

    def add(self, rows: ArrayLike) -> None:
        """Add one row, or several."""
        found = np.asarray(rows, dtype=np.float64).reshape(-1, len(self.names))
        with self._file.open("ab") as stream:
            stream.write(found.tobytes())

    def rows(self, first: int, count: int) -> NDArray[np.float64]:
        """Some of the rows."""
        width = len(self.names)
        found = np.fromfile(self._file, np.float64, count * width, offset=first * width * 8)
        return found.reshape(-1, width)
