from pathlib import Path

import pytest

from devcluster import components, tools
from devcluster.console import DevClusterError
from devcluster.paths import Paths
from devcluster.tools import Group, parse_tools

GO_MODS = {
    "one line": ("tool example.org/x/cmd/one\n", {"one": "example.org/x/cmd/one"}),
    "a block": ("tool (\n\ta.org/b/cmd/c\n\ta.org/b/cmd/d\n)\n", {"c": "a.org/b/cmd/c", "d": "a.org/b/cmd/d"}),
    "a version is no name": ("tool a.org/proxy/v3\n", {"proxy": "a.org/proxy/v3"}),
    "none": ("require tool.org/x v1.0.0\n", {}),
}


@pytest.mark.parametrize(("text", "packages"), GO_MODS.values(), ids=GO_MODS.keys())
def test_tools_are_read_from_go_mod(text: str, packages: dict[str, str]) -> None:
    assert parse_tools(f"module x\n\ngo 1.24\n\n{text}\nrequire y.org/z v1.2.3\n") == packages


def a_group(folder: Path) -> Group:
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text("module x\n\ntool a.org/b\n")
    (folder / "go.sum").write_text("sums\n")
    return Group(folder, {"b": "a.org/b"})


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "ldflags"])
def test_a_changed_input_changes_the_cache_key(tmp_path: Path, changed: str) -> None:
    group = a_group(tmp_path / "b")
    before = group.key
    (group.folder / changed).write_text("changed")
    assert group.key != before


def test_the_same_inputs_have_the_same_key(tmp_path: Path) -> None:
    assert a_group(tmp_path / "b").key == a_group(tmp_path / "b").key


def test_every_program_of_the_cluster_is_a_tool(paths: Paths) -> None:
    assert set(tools.locate(components.TOOLS, paths)) == set(components.TOOLS)


def test_an_unknown_tool_is_refused_with_the_known_ones(paths: Paths) -> None:
    with pytest.raises(DevClusterError, match=r"no tool is called 'nix'; there are .*helm"):
        tools.locate(["nix"], paths)


def test_no_tool_has_two_homes() -> None:
    names = [name for group in tools.load_groups() for name in group.packages]
    assert sorted(names) == sorted(set(names))


def test_what_is_cached_needs_no_go(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    binary = tools.locate(["helm"], paths)["helm"]
    with pytest.raises(DevClusterError, match="install Go"):
        tools.build(["helm"], paths)
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert tools.build(["helm"], paths) == {"helm": binary}
