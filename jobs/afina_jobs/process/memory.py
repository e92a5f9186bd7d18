"""What the kernel says about memory: whether it has killed a process of this cgroup."""

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def oom_kills(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """How many processes of our cgroup the kernel has killed for memory; 0 where it does not tell."""
    for path in _counters(cgroups, own):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _counters(cgroups: Path, own: Path) -> list[Path]:
    """Where the counter may be: version 1 and 2, of our own cgroup or, inside a container, at the root."""
    if not own.exists():
        return []
    found = []
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found += [cgroups / "memory" / path.lstrip("/") / "memory.oom_control"]
            found += [cgroups / "memory" / "memory.oom_control"]
        elif not controllers:
            found += [cgroups / path.lstrip("/") / "memory.events", cgroups / "memory.events"]
    return found


def offer_to_oom_killer(pid: int) -> None:
    """Let the kernel choose this process, and what it starts, before the driver.

    Children that it has started already are offered, too: those that come later inherit it. Whoever is refused keeps
    the default.
    """
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        offer_to_oom_killer(int(child))
