"""What the images were like that a model learned from, and which of its columns were measured of them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

IMAGES = "images.json"
"""Beside the model's other files, and in their digest."""


@dataclass(frozen=True)
class LearnedImages:
    """The images of a Dataset."""

    versions: Mapping[str, int]
    """Of how each kind of features is measured: `afina_models.images.kinds`."""
    columns: Mapping[str, Sequence[str]]
    """The columns of each kind."""
    min_width: int
    """Pixels. Narrower images were left out ..."""
    min_height: int
    min_quality: float
    """... and lower ones, and those whose quality is less: from 0 to 1."""

    @property
    def needs_torch(self) -> bool:
        """Whether measuring an image takes a network."""
        return "EfficientNetLite0" in self.versions

    def within(self, names: Collection[str]) -> "LearnedImages | None":
        """The same with no other columns than these; None if none is left."""
        columns = {kind: [name for name in known if name in names] for kind, known in self.columns.items()}
        used = {kind: known for kind, known in columns.items() if known}
        return replace(self, versions={kind: self.versions[kind] for kind in used}, columns=used) if used else None


def save(found: LearnedImages, file: Path) -> None:
    """Write it."""
    file.write_text(json.dumps(asdict(found)))


def load(file: Path) -> LearnedImages | None:
    """Read it; None where a model did not learn from images."""
    return LearnedImages(**json.loads(file.read_text())) if file.exists() else None
