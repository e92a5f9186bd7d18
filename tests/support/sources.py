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
from afina_api.dataset import Dataset
from afina_jobs.dataset.build import Place, {work}
from afina_jobs.dataset.sources.addresses import AllowList

dataset, allowed, env, folder = json.loads(sys.stdin.read())
folder = pathlib.Path(folder)
place = Place(folder / "mounted", folder / "volume", folder / "workspace", AllowList(allowed), env)
{call}
peak = pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(json.dumps([reason, message, int(peak) // 1024]))
"""
_FETCH = """
found = fetch(Dataset.model_validate(dataset), place)
reason, message = str(found.bytes), found.digest
"""
_BUILD = """
from datetime import UTC, datetime
found = build(Dataset.model_validate(dataset), place, datetime(2026, 1, 1, tzinfo=UTC))
reason, message = found.reason, found.message
"""


@dataclass(frozen=True)
class Measured:
    """What came of a Dataset in a process of its own."""

    reason: str
    """Of what was fetched only: its bytes."""
    message: str
    """Of what was fetched only: its digest."""
    peak_mib: int
    """The most memory that the process ever had."""


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
    folder: Path,
    document: Mapping[str, Any],
    allowed: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    *,
    fetch_only: bool = False,
) -> Measured:
    """Make a Dataset below a folder in a process of its own, or fetch its source only."""
    program = _MEASURED.format(work="fetch" if fetch_only else "build", call=_FETCH if fetch_only else _BUILD)
    said = json.dumps([document, list(allowed), env or {}, str(folder)])
    done = subprocess.run([sys.executable, "-c", program], input=said, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def long_csv(megabytes: int) -> Iterator[bytes]:
    """So many megabytes of CSV, a megabyte at a time; the first row is a header."""
    line = b"1234567,some text,-12.75,2024-02-29\n"
    yield b"count,text,number,day\n"
    for _ in range(megabytes):
        yield line * (10**6 // len(line))
