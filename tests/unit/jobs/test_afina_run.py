"""The `afina` command, run as a user runs it."""

import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from afina_api.parameters import Categorical, FloatRange
from afina_api.tuningjob import TuningJob
from afina_jobs.specfile.documents import read_documents
from afina_jobs.specfile.load import load_job
from support.laptop import AFINA, afina, afina_alone
from support.searches import a_job, stored_trials, wait_for

MANIFESTS = Path(__file__).parents[3] / "manifests"
CODE = "def objective(params, trial): return (params['x'] - 0.3) ** 2 + params['n']"


def write(folder: Path, *documents: object) -> Path:
    file = folder / "job.yaml"
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return file


def a_config_map(**files: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code", "namespace": "a-team"}, "data": files}


def with_source(**job: object) -> dict[str, object]:
    trial = {"source": {"configMapRef": {"name": "code"}}}
    return a_job(python="train:objective", trial=trial, **job)  # type: ignore[arg-type]


def test_helps() -> None:
    found = afina_alone("--help", cwd=Path())
    assert (found.returncode, "run" in found.stdout, "version" in found.stdout) == (0, True, True)
    found = afina_alone("run", "--help", cwd=Path())
    for code in ("0  the search ended", "1  the search failed", "2  the file", "130  interrupted"):
        assert code in found.stdout


def test_tells_its_version() -> None:
    assert re.fullmatch(r"afina \d+\.\d+\.\d+\n", afina_alone("version", cwd=Path()).stdout)


def test_starts_without_loading_what_it_does_not_need() -> None:
    code = "import sys, afina_jobs.cli; print([name for name in sys.modules if name in ('optuna', 'rich', 'yaml')])"
    assert subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stdout == "[]\n"


def test_searches_and_shows_what_it_found(tmp_path: Path) -> None:
    file = write(tmp_path, with_source(trials=4, parallel=2), a_config_map(**{"train.py": CODE}))
    found = afina_alone("run", file, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    folder = tmp_path / "afina-runs" / "a-job"
    for words in (
        "TPE with seed 1, up to 4 trials, 2 at a time",
        "MaxTrialsReached: 4 trials have ended",
        "Best: rmse",
    ):
        assert words in found.stdout
    for line in (f"Plots: {folder}/plots.html", f"Trials: {folder}/trials.csv", f"Log: {folder}/log.txt"):
        assert line in found.stdout
    assert len((folder / "trials.csv").read_text().splitlines()) == 5
    assert "trial 3 succeeded" in found.stdout


def test_goes_further_with_a_larger_budget_and_tries_what_one_run_would(tmp_path: Path) -> None:
    job, code = with_source, a_config_map(**{"train.py": CODE})
    for trials in (3, 6):
        found = afina("run", write(tmp_path, job(trials=trials), code), cwd=tmp_path)
        assert found.exit_code == 0, found.output
    assert "3 are there already" in found.stdout
    assert afina("run", tmp_path / "job.yaml", "--output", "straight", cwd=tmp_path).exit_code == 0
    model = TuningJob.model_validate(job())
    twice, once = (
        [trial.params for trial in stored_trials(f"sqlite:///{tmp_path}/{folder}/study.db", model)]
        for folder in ("afina-runs/a-job", "straight")
    )
    assert len(once) == 6
    assert twice == once


def test_keeps_the_study_when_interrupted(tmp_path: Path) -> None:
    script = "touch ../../began; while [ ! -e ../../go ]; do sleep 0.01; done; echo '{\"rmse\": 1}'"
    file = write(tmp_path, a_job(script=script, trials=2))
    process = subprocess.Popen([*AFINA, "run", str(file)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    folder = tmp_path / "afina-runs" / "a-job"
    wait_for((folder / "work" / ".." / "began").exists)
    second = afina("run", file, cwd=tmp_path)
    assert (second.exit_code, "another `afina run` works in" in second.stderr) == (2, True)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130
    assert "the same command goes on from there" in output
    (folder / "go").touch()
    assert afina("run", file, cwd=tmp_path).exit_code == 0
    trials = stored_trials(f"sqlite:///{folder}/study.db", TuningJob.model_validate(a_job(script=script)))
    assert [trial.value for trial in trials] == [1, 1]


def test_fails_with_the_reason(tmp_path: Path) -> None:
    found = afina("run", write(tmp_path, a_job(script="echo no data; exit 3")), cwd=tmp_path)
    assert found.exit_code == 1
    assert "TooManyFailedTrials" in found.stdout
    assert "exit code 3; last line: no data" in found.stdout
    assert "log.txt" in found.stdout


def test_says_what_it_ignores(tmp_path: Path) -> None:
    job = a_job(script="exit 1", trial={"image": "mine:1"})
    job["spec"]["suspend"] = True
    found = afina("run", write(tmp_path, job), cwd=tmp_path)
    assert "spec.suspend is for a cluster and changes nothing here" in found.stdout
    assert "spec.trial.image is for a cluster" in found.stdout


def test_refuses_another_spec_in_the_same_folder(tmp_path: Path) -> None:
    afina("run", write(tmp_path, a_job(script="exit 1")), cwd=tmp_path)
    found = afina("run", write(tmp_path, a_job(script="exit 2")), cwd=tmp_path)
    assert found.exit_code == 1
    assert "begun with another spec.trial; remove it, or choose another place" in found.stdout


HEADER = "apiVersion: afina.dev/v1alpha1\nkind: TuningJob\nmetadata: {name: bad}\n"
BAD_FILES = {
    "a field that is not there": (
        """
        spec:
          objectives: [{metric: rmse, goal: Minimize}]
          parameters: [{name: x, int: {min: 1, max: 2}}]
          trial: {comand: {argv: [x]}, command: {argv: [x]}}
        """,
        ["7: spec.trial.comand: there is no such field; did you mean command? Allowed: builtin, command, env, image, "],
    ),
    "several errors at once": (
        """
        spec:
          objectives:
          - {metric: rmse, goal: Minimise}
          parameters:
          - name: x
            float: {min: 3, max: 2}
          - {name: y, int: {min: 0, max: 9, scale: Log}}
          budget: {maxTrials: many}
          trial: {}
        """,
        [
            "6: spec.objectives[0].goal: must be 'Minimize' or 'Maximize', got 'Minimise'",
            "9: spec.parameters[0].float: min must be less than max: got min 3.0 and max 2.0",
            "10: spec.parameters[1].int: min must be greater than 0 where scale is Log: got 0",
            "11: spec.budget.maxTrials: must be a valid integer, unable to parse string as an integer, got 'many'",
            "12: spec.trial: a trial is exactly one of python, command or builtin",
        ],
    ),
    "a field that is missing": (
        "spec: {objectives: [{metric: rmse}]}",
        ["4: spec.objectives[0].goal: is required", "4: spec.parameters: is required", "4: spec.trial: is required"],
    ),
    "a choice of a wrong type": (
        """
        spec:
          objectives: [{metric: rmse, goal: Minimize}]
          parameters:
          - name: x
            categorical:
              choices:
              - a
              - 1.5
          trial: {command: {argv: [x]}}
        """,
        ["11: spec.parameters[0].categorical.choices[1]: must be a valid integer or a valid string, got 1.5"],
    ),
    "a field that is there twice": (
        "spec:\n  suspend: false\n  suspend: true",
        ["6: spec.suspend: is there twice, first on line 5"],
    ),
    "no YAML": ("spec: {objectives: [", ["this is no YAML: expected the node content"]),
    "a tab": ("spec:\n\tobjectives: 1", ["5: this is no YAML: found character '\\t'"]),
    "a text of a megabyte": (
        f"""
        spec:
          objectives: [{{metric: {"m" * 2**20}, goal: Minimize}}]
          parameters: [{{name: x, int: {{min: 1, max: 2}}}}]
          trial: {{command: {{argv: [x]}}}}
        """,
        ["5: spec.objectives[0].metric: string should have at most 63 characters, got 'mmm"],
    ),
}


@pytest.mark.parametrize(("spec", "messages"), BAD_FILES.values(), ids=BAD_FILES)
def test_says_what_is_wrong_with_a_file_and_on_which_line(spec: str, messages: list[str], tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(HEADER + textwrap.dedent(spec).lstrip("\n"))
    found = afina("run", tmp_path / "job.yaml")
    assert found.exit_code == 2
    assert found.stdout == ""
    lines = found.stderr.splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert message in line
        assert re.match(rf"{tmp_path}/job\.yaml:\d+: ", line)
        assert len(line) < 700
    assert not (tmp_path / "afina-runs").exists()


BAD_DOCUMENTS = {
    "no TuningJob": (
        [{"kind": "Pod"}, {"kind": "Service"}],
        "1: kind: there is no TuningJob, Dataset or AutoMLJob (afina.dev/v1alpha1)",
    ),
    "nothing": ([], "in this file, only: nothing"),
    "a list": ([[1, 2]], "there is no TuningJob, Dataset or AutoMLJob"),
    "another version": (
        [a_job(script="x") | {"apiVersion": "afina.dev/v9"}],
        "1: apiVersion: must be 'afina.dev/v1alpha1', got 'afina.dev/v9'",
    ),
    "two TuningJobs": (
        [a_job(script="x"), a_job(script="y")],
        "choose one of the TuningJobs in this file with --name: a-job (line 1), a-job (line ",
    ),
    "a source that is not there": (
        [with_source()],
        "there is no ConfigMap 'code' in this file; add it after a line of ---, say with: kubectl create configmap",
    ),
    "a source that is no text": ([with_source(), a_config_map(a=3)], "data.a: must be text"),  # type: ignore[arg-type]
    "a source that is a path": ([with_source(), a_config_map(**{"../a": "x"})], "data.../a: must be a file's name"),
    "a builtin's setting": (
        [a_job(builtin={"name": "xgboost-cv", "config": {"dataset": "iris"}})],
        "'breast_cancer', 'wine', 'digits' or 'diabetes', got 'iris'; there are: dataset, folds",
    ),
    "a builtin's parameter": (
        [a_job(builtin={"name": "xgboost-cv", "config": {"dataset": "diabetes"}})],
        ": xgboost-cv has no parameter 'x'; it has booster,",
    ),
    "a builtin's metric": (
        [a_job(builtin={"name": "xgboost-cv"})],
        ": xgboost-cv on breast_cancer measures accuracy, logloss, auc, not 'rmse'",
    ),
}


@pytest.mark.parametrize(("documents", "message"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS)
def test_says_which_document_is_missing_or_wrong(documents: list[object], message: str, tmp_path: Path) -> None:
    file = write(tmp_path, *documents)
    found = afina("run", file)
    assert found.exit_code == 2
    assert message in found.stderr
    assert re.match(rf"{file}:\d+: ", found.stderr)


def test_chooses_by_name(tmp_path: Path) -> None:
    other = a_job(script="exit 1")
    other["metadata"]["name"] = "other"
    file = write(tmp_path, a_job(script="echo '{\"rmse\": 1}'"), other)
    assert afina("run", file, "--name", "other", cwd=tmp_path).exit_code == 1
    assert [path.name for path in (tmp_path / "afina-runs").iterdir()] == ["other"]


def test_reads_numbers_as_kubernetes_does(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    parameter = "{name: x, float: {min: 1e-5, max: 1E+1}}, {name: d, categorical: {choices: [2026-01-01]}}"
    trial = "{command: {argv: [sh, -c, 'exit 1']}}"
    spec = f"{{objectives: [{{metric: rmse, goal: Minimize}}], parameters: [{parameter}], trial: {trial}}}"
    file.write_text(f"{HEADER}spec: {spec}\n")
    loaded = load_job(read_documents(file), None, file).job.spec.parameters
    assert loaded[0].float_ == FloatRange(min=1e-5, max=10)
    assert loaded[1].categorical == Categorical(choices=["2026-01-01"])


@pytest.mark.parametrize("manifest", sorted(MANIFESTS.glob("1*-tuningjob-*.yaml")), ids=lambda path: path.name)
def test_reads_the_examples(manifest: Path) -> None:
    assert load_job(read_documents(manifest), None, manifest).job.spec.objectives
