"""What `afina promote` and its like say when something is in the way. That they work is seen on the real cluster."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from afina_api.modeldeployment import ROLLOUT_VERBS
from afina_jobs.cli import main, rollout
from support.laptop import a_kubectl


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("verb", ROLLOUT_VERBS)
def test_every_verb_has_help(verb: str) -> None:
    found = run(verb, "--help")
    assert found.exit_code == 0
    assert "NAME is a ModelDeployment" in found.output


def test_says_that_kubectl_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = run("abort", "loans")
    assert found.exit_code == 1
    assert "kubectl is not installed" in found.output


def test_says_what_kubectl_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_kubectl(tmp_path, 'echo "modeldeployments \\"loans\\" not found" >&2; exit 1', monkeypatch)
    found = run("abort", "loans")
    assert found.exit_code == 1
    assert '"loans" not found' in found.output


def test_says_that_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "_PATIENCE_SECONDS", 0.1)
    a_kubectl(tmp_path, "echo '{}'", monkeypatch)
    found = run("abort", "loans")
    assert found.exit_code == 1
    assert "the operator has not answered" in found.output


def answering(folder: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl whose operator gives an answer; the file with what was said."""
    said = folder / "said"
    script = f"""
case "$1" in
annotate) echo "$4" | cut -d= -f2- > {said}; echo "$@" > {folder}/arguments;;
get) printf '{{"status": {{"command": {{"text": "%s", {answer}}}}}}}' "$(cat {said})";;
esac"""
    a_kubectl(folder, script, monkeypatch)
    return said


def test_what_was_not_obeyed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(tmp_path, '"outcome": "step 0 is no gate: nothing was done", "obeyed": false', monkeypatch)
    found = run("approve", "loans")
    assert found.exit_code == 1
    assert "Error: step 0 is no gate: nothing was done" in found.output


def test_tells_who_and_why_and_prints_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = answering(tmp_path, '"outcome": "it is rolled back", "obeyed": true', monkeypatch)
    found = run("abort", "loans", "-n", "lab", "it", "is", "odd")
    assert found.output.strip() == "it is rolled back"
    assert said.read_text().startswith("abort by=")
    assert said.read_text().strip().endswith("it is odd")
    assert "--namespace lab" in (tmp_path / "arguments").read_text()
