"""What every format does."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def without_tables() -> Iterator[None]:
    """Lets a library that is imported meanwhile believe that there is neither pandas nor scikit-learn.

    LightGBM and XGBoost import both where they find them, for arguments that are never passed here: seconds of a
    replica's start and two thirds of its memory. Where they are imported already, that is left as it is.
    """
    hidden = [name for name in ("pandas", "sklearn") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the import system says it is not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
