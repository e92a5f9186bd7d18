import json
from pathlib import Path

import pytest

from devcluster import cli, cluster, host


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devcluster.paths._LONGEST_ROOT", 200)
    monkeypatch.setenv("AFINA_CACHE", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("AFINA_REGISTRY", raising=False)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(arguments) == 0
    return capsys.readouterr().out.strip()


def test_references_are_of_the_own_registry(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(answer(capsys, "image-refs"))["operator"].startswith("127.0.0.1:5001/afina-operator:")


FOREIGN = {
    "both name a foreign cluster": ({"KUBECONFIG": "/k", "AFINA_REGISTRY": "r.example"}, "/k", "r.example/"),
    "a kubeconfig alone does not": ({"KUBECONFIG": "/k"}, None, "127.0.0.1:5001/"),
    "a registry alone does not": ({"AFINA_REGISTRY": "r.example"}, None, "127.0.0.1:5001/"),
    "empty is unset": ({"KUBECONFIG": "", "AFINA_REGISTRY": ""}, None, "127.0.0.1:5001/"),
}


@pytest.mark.parametrize(("environ", "kubeconfig", "registry"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_cluster_needs_both_names(
    environ: dict[str, str],
    kubeconfig: str | None,
    registry: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert answer(capsys, "kubeconfig") == (kubeconfig or str(tmp_path / "cluster" / "admin.kubeconfig"))
    assert json.loads(answer(capsys, "image-refs"))["runtime"].startswith(registry)


def test_with_a_foreign_cluster_none_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/k")
    monkeypatch.setenv("AFINA_REGISTRY", "r.example")
    monkeypatch.setattr(cluster, "up", lambda *_: pytest.fail("a cluster was started"))
    assert answer(capsys, "up", "--no-images") == "export KUBECONFIG=/k"


def test_a_tool_that_is_not_built_is_told_on_the_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tool-path", "helm"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "run the verb `tools helm`" in printed.err


def test_who_is_not_root_learns_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(host, "PACKAGES", {"buildah": "/nowhere/buildah", "shell": "/bin/sh"})
    assert cli.main(["up"]) == 1
    assert "as root, run `apt-get install --no-install-recommends buildah`" in capsys.readouterr().err
