"""What every format does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from afina_models.arrays import Array
from afina_models.pipeline import View


class Model(Protocol):
    """A fitted model."""

    @property
    def rounds(self) -> int | None:
        """Rounds or epochs it took to fit; None where there are none, or where it is not known."""

    def predict(self, features: Array) -> Array:
        """Probabilities, rows x classes; or a number for each row."""

    def save(self, file: Path) -> None:
        """Write it in a format that runs nothing when it is read."""


@dataclass(frozen=True)
class Format:
    """How the models of a family are kept."""

    family: str
    view: View
    """The features that they want."""
    suffix: str
    """Of the file."""
    load: Callable[[Path], Model]
