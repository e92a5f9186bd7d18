"""A model that Afina did not make, once it is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class AdmissionError(Exception):
    """The model is not fit to be served; the message says why, and what to do."""


@dataclass(frozen=True)
class Foreign:
    """A model, and what is to be known of it before it is trusted."""

    objective: str
    columns: Sequence[str]
    """Names of its features; none where it knows their number alone."""
    count: int
    """Of the features."""
    has_categories: bool
    """Whether values of some columns were replaced by codes before it saw them."""
    save: Callable[[Path], object]
