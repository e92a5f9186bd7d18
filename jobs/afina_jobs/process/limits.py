"""What this process may use: its own cgroup's limits, not the node's size."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from afina_jobs.process.environment import threads
from afina_jobs.process.memory import CGROUPS

_OWN = Path("/proc/self/cgroup")


def processors(requested: str, cgroups: Path = CGROUPS, own: Path = _OWN) -> int:
    """Threads that a fit may use: as many as the spec asks for, and no more than the cgroup and the affinity let run.

    Args:
        requested: processors as a quantity, such as `500m`.
        cgroups: where the cgroups are mounted.
        own: the file that names the process's cgroups.
    """
    quota = next(_quotas(cgroups, own), math.inf)
    return max(1, math.ceil(min(threads(requested), len(os.sched_getaffinity(0)), quota)))


def memory_bytes(cgroups: Path = CGROUPS, own: Path = _OWN) -> int:
    """The memory limit of the cgroup, or else the memory of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    names = (("memory", "memory.limit_in_bytes"), ("", "memory.max"))
    found = [int(text) for text in _read(names, cgroups, own) if text.isdigit()]
    return min([machine, *found])


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """Processors of version 2 (`quota period` in one file), then of version 1 (a file each)."""
    for text in _read((("", "cpu.max"),), cgroups, own):
        quota, _, period = text.partition(" ")
        if quota.isdigit():
            yield int(quota) / int(period)
    quotas = _read((("cpu", "cpu.cfs_quota_us"),), cgroups, own)
    periods = _read((("cpu", "cpu.cfs_period_us"),), cgroups, own)
    for quota, period in zip(quotas, periods, strict=False):
        if quota.isdigit():
            yield int(quota) / int(period)


def _read(names: tuple[tuple[str, str], ...], cgroups: Path, own: Path) -> Iterator[str]:
    """The files of these controllers that are there: of our own cgroup and, inside a container, at the root."""
    lines = own.read_text().splitlines() if own.exists() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller, name in names:
            if controller not in controllers.split(","):
                continue
            for file in (cgroups / controllers / path.lstrip("/") / name, cgroups / controller / name):
                if file.is_file():
                    yield file.read_text().strip()
                    break
