"""Each test writes a source, makes a Dataset of it as the pod would, and looks at the outcome and at the volume."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afina_api.dataset import Dataset
from afina_jobs.dataset.build import Outcome, Place, build
from afina_jobs.dataset.sources.addresses import AllowList

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """What came of a source."""

    outcome: Outcome
    volume: Path

    @property
    def rows(self) -> int:
        return self.outcome.status.rows or 0

    @property
    def rejected(self) -> dict[str, int]:
        """How many, by reason."""
        return {found.reason: found.count for found in self.outcome.status.rejected or []}

    @property
    def findings(self) -> dict[str, str]:
        """The message of each rule that does not hold."""
        return {finding.rule: finding.message for finding in self.outcome.status.findings or []}

    @property
    def table(self) -> pa.Table:
        return pq.read_table(self.volume / "data.parquet")

    @property
    def listed(self) -> list[list[str]]:
        """The rows of rejected.csv."""
        with (self.volume / "rejected.csv").open(newline="") as stream:
            return list(csv.reader(stream))[1:]

    @property
    def description(self) -> dict[str, Any]:
        return dict(json.loads((self.volume / "dataset.json").read_text()))

    @property
    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.volume / "report.json").read_text()))

    def column(self, name: str) -> dict[str, Any]:
        """What dataset.json says about a column."""
        return next(column for column in self.description["columns"] if column["name"] == name)


Make = Callable[..., Made]


def a_dataset(format_: str = "CSV", **spec: Any) -> Dataset:
    source = {"volume": {"claimRef": {"name": "lake"}, "path": "source"}}
    return Dataset.model_validate(
        {
            "apiVersion": "afina.dev/v1alpha1",
            "kind": "Dataset",
            "metadata": {"name": "some", "uid": "1"},
            "spec": {"source": source, "format": format_} | spec,
        }
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a Dataset of bytes, or of what lies in the folder `mounted` already when there are none."""

    def made(content: bytes | str | None, format_: str = "CSV", now: datetime = NOW, **spec: Any) -> Made:
        mounted = tmp_path / "mounted"
        mounted.mkdir(exist_ok=True)
        if content is not None:
            (mounted / "source").write_bytes(content.encode() if isinstance(content, str) else content)
        place = Place(mounted, tmp_path / "volume", tmp_path / "workspace", AllowList([]), {})
        return Made(build(a_dataset(format_, **spec), place, now), tmp_path / "volume")

    return made
