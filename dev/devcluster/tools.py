"""Programs, and files, from published Go modules.

Each folder of dev/tools is one Go module whose `tool` lines name the programs it can build. Beside them may lie

- `ldflags`, passed to the linker;
- `patches/`, by import path, packages that take the place of those of the modules it requires;
- `files`, lines of a name, a module and a folder of it that is wanted as it is.

To add a program, add a folder. What is made is cached by the folder's content.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devcluster.console import DevClusterError, run_logged, run_quiet, say
from devcluster.paths import CHECKOUT, Paths

_BUILD_FLAGS = ("-trimpath", "-buildvcs=false")
_TOOL_BLOCK = re.compile(r"^tool \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
_TOOL_LINE = re.compile(r"^tool ([^\s(]+)", re.MULTILINE)


@dataclass(frozen=True)
class Group:
    """One folder of dev/tools: the programs of one Go module, by name, and the folders of others, by name."""

    folder: Path
    packages: dict[str, str]
    files: dict[str, tuple[str, str]]

    @property
    def names(self) -> set[str]:
        return self.packages.keys() | self.files.keys()

    @property
    def linker_flags(self) -> str:
        extra = self.folder / "ldflags"
        return " ".join(["-s", "-w", *(extra.read_text().split() if extra.exists() else [])])

    @property
    def patches(self) -> dict[str, list[Path]]:
        """Import path -> the files that the package has instead of its own."""
        root = self.folder / "patches"
        packages = sorted({file.parent for file in root.rglob("*.go")})
        return {package.relative_to(root).as_posix(): sorted(package.glob("*.go")) for package in packages}

    @property
    def key(self) -> str:
        """The folder's name and a hash of everything that is made of it depends on."""
        digest = hashlib.sha256(" ".join(_BUILD_FLAGS).encode())
        for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            content = file.read_bytes()
            digest.update(f"\0{file.relative_to(self.folder)}\0{len(content)}\0".encode() + content)
        return f"{self.folder.name}-{digest.hexdigest()[:16]}"


def parse_tools(go_mod: str) -> dict[str, str]:
    """Program name -> import path, from the `tool` lines of a go.mod. The name is the path's last part."""
    block = _TOOL_BLOCK.search(go_mod)
    packages = [*(block.group(1).split() if block else []), *_TOOL_LINE.findall(go_mod)]
    return {re.sub(r"/v\d+$", "", package).rsplit("/", 1)[-1]: package for package in packages}


def load_groups(folder: Path = CHECKOUT / "dev" / "tools") -> list[Group]:
    return [_load_group(file.parent) for file in sorted(folder.glob("*/go.mod"))]


def build(names: Iterable[str], paths: Paths) -> dict[str, Path]:
    """The paths of the named programs and files, after making those that are not in the cache.

    Raises DevClusterError for an unknown name, a missing Go, or a failed build.
    """
    made = locate(names, paths)
    missing = {name for name, path in made.items() if not path.exists()}
    if missing and shutil.which("go") is None:
        raise DevClusterError("Go is not on the PATH: install Go 1.26 or later from https://go.dev/dl")
    for group in load_groups():
        if wanted := sorted(missing & group.names):
            _make(group, wanted, paths)
    return made


def locate(names: Iterable[str], paths: Paths) -> dict[str, Path]:
    """Where what is named is, or will be once it is made.

    Raises DevClusterError for an unknown name.
    """
    return {name: _path(name, paths) for name in names}


def _load_group(folder: Path) -> Group:
    listing = folder / "files"
    lines = [line.split() for line in listing.read_text().splitlines()] if listing.exists() else []
    files = {name: (module, wanted) for name, module, wanted in lines}
    return Group(folder, parse_tools((folder / "go.mod").read_text()), files)


def _path(name: str, paths: Paths) -> Path:
    groups = load_groups()
    for group in groups:
        if name in group.names:
            return paths.tools / group.key / name
    known = sorted(name for group in groups for name in group.names)
    raise DevClusterError(f"no tool is called {name!r}; there are {', '.join(known)}")


def _make(group: Group, names: list[str], paths: Paths) -> None:
    say(f"  building {', '.join(names)}")
    target, work = paths.tools / group.key, paths.tools / f"{group.key}.building"
    shutil.rmtree(work, ignore_errors=True)
    (work / "made").mkdir(parents=True)
    target.mkdir(exist_ok=True)
    for name in group.files.keys() & set(names):
        _copy_files(group, name, work)
    if packages := [group.packages[name] for name in names if name in group.packages]:
        _go_build(group, packages, work, paths)
    for made in (work / "made").iterdir():
        made.rename(target / made.name)
    shutil.rmtree(work)
    for old in paths.tools.glob(f"{group.folder.name}-*"):
        if re.fullmatch(rf"{re.escape(group.folder.name)}-[0-9a-f]{{16}}", old.name) and old != target:
            shutil.rmtree(old)


def _copy_files(group: Group, name: str, work: Path) -> None:
    module, wanted = group.files[name]
    go = ["go", "-C", str(group.folder)]
    run_quiet([*go, "mod", "download", module])
    source = run_quiet([*go, "list", "-m", "-f", "{{.Dir}}", module]).strip()
    shutil.copytree(Path(source, wanted), work / "made" / name)


def _go_build(group: Group, packages: list[str], work: Path, paths: Paths) -> None:
    flags = [*_BUILD_FLAGS, *_patch(group, work), "-ldflags", group.linker_flags]
    argv = ["go", "build", *flags, "-o", f"{work / 'made'}/", *packages]
    env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    log = paths.logs / f"build-{group.folder.name}.log"
    run_logged(f"go build {group.folder.name}", argv, log, cwd=group.folder, env=env)


def _patch(group: Group, work: Path) -> list[str]:
    """The flags by which Go takes copies of the patched modules; its own -overlay refuses files of modules."""
    if not group.patches:
        return []
    modfile = work / "go.mod"
    for name in ("go.mod", "go.sum"):
        shutil.copy(group.folder / name, work / name)
    for package, ours in group.patches.items():
        list_it = ["go", "-C", str(group.folder), "list", "-find", "-f", "{{.Module.Path}} {{.Module.Dir}}", package]
        module, source = run_quiet(list_it).split()
        copy = work / "patched" / module
        if not copy.exists():
            shutil.copytree(source, copy)
            run_quiet(["go", "mod", "edit", f"-replace={module}={copy}", str(modfile)])
        theirs = copy / package.removeprefix(module).lstrip("/")
        for file in theirs.glob("*.go"):
            file.unlink()
        for file in ours:
            shutil.copy(file, theirs)
    return [f"-modfile={modfile}"]
