"""The volume that a Dataset is kept on: dataset.json comes last, and without it nothing else counts."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from afina_api.base import as_json
from afina_api.dataset import Dataset

DATA = "data.parquet"
IMAGES = "images"
MARKER = "dataset.json"
REPORT = "report.json"
_OURS = (MARKER, DATA, IMAGES, REPORT, "report.html", "rejected.csv")
_BUILDING = ".building"


class DatasetVolume:
    """A folder that outlives the pod."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.building = root / _BUILDING
        """Where everything is written first."""

    def finished(self, dataset: Dataset) -> dict[str, Any] | None:
        """The report of this very Dataset, if it is finished already."""
        try:
            marker = json.loads((self.root / MARKER).read_text())
            report = json.loads((self.root / REPORT).read_text())
        except (OSError, ValueError):
            return None
        return report if marker.get("specDigest") == spec_digest(dataset) else None

    def begin(self) -> None:
        """Make an empty folder to write to."""
        shutil.rmtree(self.building, ignore_errors=True)
        self.building.mkdir(parents=True)

    def publish(self) -> None:
        """Put what was written in its place, and what was there before away."""
        for name in _OURS:
            target = self.root / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        for name in reversed(_OURS):
            if (self.building / name).exists():
                (self.building / name).rename(self.root / name)
        shutil.rmtree(self.building)


def spec_digest(dataset: Dataset) -> str:
    """What makes two runs the same work: the object and its spec."""
    identity = {"uid": dataset.metadata.uid, "name": dataset.metadata.name, "spec": as_json(dataset.spec)}
    return f"sha256:{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()}"
