import subprocess
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
    """A module of one program, `greet`, and one library, which lies beside it."""
    texts = {
        "go.mod": "module x\n\ngo 1.24\n\ntool x/greet\n\n"
        "require example.org/lib v1.0.0\n\nreplace example.org/lib => ./lib\n",
        "go.sum": "",
        "greet/main.go": 'package main\n\nimport "example.org/lib/word"\n\nfunc main() { println(word.Word) }\n',
        "lib/go.mod": "module example.org/lib\n\ngo 1.24\n",
        "lib/word/word.go": 'package word\n\nconst Word = "theirs"\n',
        "lib/word/needs.go": 'package word\n\nimport _ "example.org/a/library/of/everything"\n',
        "lib/crds/a.yaml": "kind: A\n",
        "files": "lib-crds example.org/lib crds\n",
    }
    for name, text in texts.items():
        write(folder / name, text)
    [group] = tools.load_groups(folder.parent)
    return group


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "ldflags", "files", "greet/main.go", "patches/a.org/b/c.go"])
def test_a_changed_input_changes_the_cache_key(tmp_path: Path, changed: str) -> None:
    group = a_group(tmp_path / "b")
    before = group.key
    write(group.folder / changed, "changed")
    assert group.key != before


def test_the_same_inputs_have_the_same_key(tmp_path: Path) -> None:
    assert a_group(tmp_path / "b").key == a_group(tmp_path / "b").key


def test_a_program_is_built_with_our_package_in_the_place_of_a_modules(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = a_group(tmp_path / "groups" / "b")
    write(group.folder / "patches/example.org/lib/word/word.go", 'package word\n\nconst Word = "ours"\n')
    monkeypatch.setattr(tools, "load_groups", lambda: [group])
    built = tools.build(["greet"], paths)["greet"]
    assert subprocess.run([built], capture_output=True, text=True, check=True).stderr == "ours\n"
    assert "theirs" in (group.folder / "lib/word/word.go").read_text()
    assert [path.name for path in built.parent.iterdir()] == ["greet"]


def test_files_of_a_module_are_copied_without_a_build(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = a_group(tmp_path / "groups" / "b")
    monkeypatch.setattr(tools, "load_groups", lambda: [group])
    monkeypatch.setattr(tools, "run_logged", lambda *_, **__: pytest.fail("something was built"))
    copied = tools.build(["lib-crds"], paths)["lib-crds"]
    assert [(file.name, file.read_text()) for file in copied.iterdir()] == [("a.yaml", "kind: A\n")]
    assert [path.name for path in paths.tools.iterdir()] == [group.key]


def test_every_program_of_the_cluster_is_a_tool(paths: Paths) -> None:
    wanted = {*components.TOOLS, *components.KUBERAY_TOOLS}
    assert set(tools.locate(wanted, paths)) == wanted


def test_an_unknown_tool_is_refused_with_the_known_ones(paths: Paths) -> None:
    with pytest.raises(DevClusterError, match=r"no tool is called 'nix'; there are .*helm"):
        tools.locate(["nix"], paths)


def test_no_tool_has_two_homes() -> None:
    names = [name for group in tools.load_groups() for name in group.names]
    assert sorted(names) == sorted(set(names))


def test_what_is_cached_needs_no_go(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    binary = tools.locate(["helm"], paths)["helm"]
    with pytest.raises(DevClusterError, match="install Go"):
        tools.build(["helm"], paths)
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert tools.build(["helm"], paths) == {"helm": binary}
