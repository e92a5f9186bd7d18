"""Programs built from published Go modules.

Each folder of dev/tools is one Go module whose `tool` lines name the programs it can build; an optional `ldflags`
file is passed to the linker. To add a program, add a folder. Binaries are cached by the folder's content.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster.console import DevClusterError, run_logged, say
from devcluster.paths import CHECKOUT, Paths

_BUILD_FLAGS = ("-trimpath", "-buildvcs=false")
_TOOL_BLOCK = re.compile(r"^tool \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
_TOOL_LINE = re.compile(r"^tool ([^\s(]+)", re.MULTILINE)


@dataclass(frozen=True)
class Group:
    """One folder of dev/tools: the programs of one Go module, by name."""

    folder: Path
    packages: dict[str, str]

    @property
    def linker_flags(self) -> str:
        extra = self.folder / "ldflags"
        return " ".join(["-s -w", extra.read_text().strip() if extra.exists() else ""]).strip()

    @property
    def key(self) -> str:
        """The folder's name and a hash of everything its binaries depend on."""
        digest = hashlib.sha256(" ".join([*_BUILD_FLAGS, self.linker_flags]).encode())
        for name in ("go.mod", "go.sum"):
            digest.update((self.folder / name).read_bytes())
        return f"{self.folder.name}-{digest.hexdigest()[:16]}"


def parse_tools(go_mod: str) -> dict[str, str]:
    """Program name -> import path, from the `tool` lines of a go.mod. The name is the path's last part."""
    block = _TOOL_BLOCK.search(go_mod)
    packages = [*(block.group(1).split() if block else []), *_TOOL_LINE.findall(go_mod)]
    return {re.sub(r"/v\d+$", "", package).rsplit("/", 1)[-1]: package for package in packages}


def load_groups(folder: Path = CHECKOUT / "dev" / "tools") -> list[Group]:
    return [Group(file.parent, parse_tools(file.read_text())) for file in sorted(folder.glob("*/go.mod"))]


def build(names: Iterable[str], paths: Paths) -> dict[str, Path]:
    """The paths of the named programs, after building those that are not in the cache.

    Raises DevClusterError for an unknown name, a missing Go, or a failed build.
    """
    binaries = locate(names, paths)
    missing = {name for name, binary in binaries.items() if not binary.exists()}
    if missing and shutil.which("go") is None:
        raise DevClusterError("Go is not on the PATH: install Go 1.26 or later from https://go.dev/dl")
    for group in load_groups():
        if wanted := sorted(missing & group.packages.keys()):
            _build_group(group, wanted, paths)
    return binaries


def locate(names: Iterable[str], paths: Paths) -> dict[str, Path]:
    """Where the named programs are, or will be once they are built.

    Raises DevClusterError for an unknown name.
    """
    return {name: _binary(name, paths) for name in names}


def _binary(name: str, paths: Paths) -> Path:
    groups = load_groups()
    for group in groups:
        if name in group.packages:
            return paths.tools / group.key / name
    known = sorted(name for group in groups for name in group.packages)
    raise DevClusterError(f"no tool is called {name!r}; there are {', '.join(known)}")


def _build_group(group: Group, names: list[str], paths: Paths) -> None:
    say(f"  building {', '.join(names)}")
    target, work = paths.tools / group.key, paths.tools / f"{group.key}.building"
    work.mkdir(parents=True, exist_ok=True)
    target.mkdir(exist_ok=True)
    packages = [group.packages[name] for name in names]
    argv = ["go", "build", *_BUILD_FLAGS, "-ldflags", group.linker_flags, "-o", f"{work}/", *packages]
    env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    run_logged(
        f"go build {group.folder.name}", argv, paths.logs / f"build-{group.folder.name}.log", cwd=group.folder, env=env
    )
    for binary in work.iterdir():
        binary.rename(target / binary.name)
    work.rmdir()
    for old in paths.tools.glob(f"{group.folder.name}-*"):
        if re.fullmatch(rf"{re.escape(group.folder.name)}-[0-9a-f]{{16}}", old.name) and old != target:
            shutil.rmtree(old)
