"""Datasets from servers, made as the pod makes them, and the memory that it takes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from afina_api.dataset import Dataset
from afina_jobs.dataset.build import Outcome, Place, build
from afina_jobs.dataset.sources.addresses import AllowList

ROWS = "name,age\nAna,31\nBea,44\nCai,29\n"

_MEASURED = """
import json, pathlib, sys
from datetime import UTC, datetime
from afina_api.dataset import Dataset
from afina_jobs.dataset.build import Place, build, fetch
from afina_jobs.dataset.sources.addresses import AllowList

cases, allowed, env, fetch_only = json.loads(sys.stdin.read())
measured = []
for folder, document in cases:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    folder = pathlib.Path(folder)
    place = Place(folder / "mounted", folder / "volume", folder / "workspace", AllowList(allowed), env)
    dataset = Dataset.model_validate(document)
    if fetch_only:
        found = fetch(dataset, place)
        told = [str(found.bytes), found.digest]
    else:
        made = build(dataset, place, datetime(2026, 1, 1, tzinfo=UTC))
        told = [made.reason, made.message]
    peak = pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    measured.append([*told, int(peak) // 1024])
print(json.dumps(measured))
"""


@dataclass(frozen=True)
class Measured:
    """What came of a Dataset in a process of its own."""

    reason: str
    """Of what was fetched only: its bytes."""
    message: str
    """Of what was fetched only: its digest."""
    peak_mib: int
    """The most memory that the process had meanwhile."""


def dataset(source: Mapping[str, Any], format_: str = "CSV", **spec: Any) -> dict[str, Any]:
    """A Dataset as its file says it."""
    metadata = {"name": "some", "uid": "1"}
    spec = {"source": source, "format": format_} | spec
    return {"apiVersion": "afina.dev/v1alpha1", "kind": "Dataset", "metadata": metadata, "spec": spec}


def made(
    folder: Path, document: Mapping[str, Any], allowed: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Outcome:
    """Make a Dataset below a folder."""
    place = Place(folder / "mounted", folder / "volume", folder / "workspace", AllowList(allowed), env or {})
    return build(Dataset.model_validate(document), place, datetime(2026, 1, 1, tzinfo=UTC))


def measured(
    cases: Sequence[tuple[Path, Mapping[str, Any]]],
    allowed: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    *,
    fetch_only: bool = False,
) -> list[Measured]:
    """Make Datasets, each below a folder, in one process of their own, or fetch their sources only."""
    said = json.dumps([[(str(folder), document) for folder, document in cases], list(allowed), env or {}, fetch_only])
    done = subprocess.run([sys.executable, "-c", _MEASURED], input=said, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [Measured(*found) for found in json.loads(done.stdout.splitlines()[-1])]


def long_csv(megabytes: int) -> Iterator[bytes]:
    """So many megabytes of CSV, a megabyte at a time; the first row is a header."""
    line = b"1234567,some text,-12.75,2024-02-29\n"
    yield b"count,text,number,day\n"
    for _ in range(megabytes):
        yield line * (10**6 // len(line))
