"""`afina explain` and its like, on what kubectl answers. That they work is seen on the real cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.laptop import a_kubectl, afina

Json = dict[str, Any]
OBJECT: Json = {
    "kind": "TuningJob",
    "metadata": {
        "name": "it",
        "namespace": "lab",
        "uid": "u1",
        "generation": 1,
        "creationTimestamp": "2026-01-02T03:04:05Z",
    },
    "spec": {
        "objectives": [{"metric": "rmse", "goal": "Minimize"}],
        "budget": {"maxTrials": 9, "maxFailedTrials": 3},
    },
    "status": {
        "observedGeneration": 1,
        "conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running", "message": "It runs."}],
        "trials": {"total": 3, "running": 1, "succeeded": 1, "failed": 1, "pruned": 0},
        "lastFailure": {"number": 1, "reason": "ExitCode", "message": "exit code 3; last line: no data"},
    },
}
POD: Json = {
    "kind": "Pod",
    "metadata": {"name": "tj-it-a", "uid": "u2", "creationTimestamp": "2026-01-02T03:04:06Z"},
    "status": {
        "phase": "Running",
        "containerStatuses": [{"name": "driver", "state": {"running": {"startedAt": "2026-01-02T03:04:07Z"}}}],
    },
}


def a_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch, **answers: object) -> Path:
    """A kubectl that answers a `get` with what is given for the first of its arguments; the file of what was asked."""
    for name, answer in ({"tuningjob": OBJECT, "events": {"items": []}} | answers).items():
        (folder / name).write_text(json.dumps(answer))
    asked = folder / "asked"
    script = f"""echo "$@" >> {asked}
case "$1 $2" in
"get jobs,"*) cat {folder}/children;;
"get "*) cat {folder}/$2 || {{ echo "no $2" >&2; exit 1; }};;
"logs "*) echo "x INFO trial 1 failed: ExitCode: exit code 3, 1/9 trials";;
esac"""
    a_kubectl(folder, script, monkeypatch)
    return asked


def test_explains_by_what_kubectl_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = a_cluster(tmp_path, monkeypatch, children={"items": [POD]})
    found = afina("explain", "tj", "it", "-n", "lab")
    assert found.output.splitlines() == [
        "TuningJob it: Running",
        "  cause     1 of 2 trials that have ended failed, most often (1 of the 1 that the log tells of) for ExitCode."
        " budget.maxFailedTrials is 3.",
        "  evidence  trial 1: ExitCode: exit code 3; last line: no data",
        "            all of them: kubectl logs tj-it-a | grep ' failed: '",
        "  next      Correct the program, and try it with `afina run FILE.yaml` on this machine first."
        " A job that has started keeps its spec: create another.",
    ]
    assert asked.read_text().splitlines() == [
        "get tuningjob it --show-managed-fields -o json --namespace lab",
        "get jobs,pods,persistentvolumeclaims,deployments,replicasets --selector afina.dev/tuningjob=it -o json"
        " --namespace lab",
        "get events --field-selector type=Warning -o json --namespace lab",
        "logs tj-it-a --container driver --tail=1000 --namespace lab",
    ]


def test_explains_from_the_log_of_the_life_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = {"terminated": {"exitCode": 1, "reason": "Error"}}
    status = {"name": "driver", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": end}
    pod = POD | {"status": {"phase": "Running", "containerStatuses": [status]}}
    asked = a_cluster(tmp_path, monkeypatch, children={"items": [pod]})
    assert "ends with exit code 1" in afina("explain", "tuningjob", "it").output
    assert "--tail=1000 --previous" in asked.read_text()


def test_does_without_ray_clusters_where_nobody_knows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = OBJECT | {"spec": OBJECT["spec"] | {"execution": {"workers": 2}}}
    asked = a_cluster(tmp_path, monkeypatch, tuningjob=job, children={"items": []})
    found = afina("explain", "tuningjob", "it")
    assert (found.exit_code, "rayclusters.ray.io" in asked.read_text()) == (0, True)


def test_leaves_warnings_about_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"reason": "FailedCreate", "message": "denied", "lastTimestamp": "2026-01-02T03:05:06Z"}
    events = {"items": [event | {"involvedObject": {"kind": "Job", "uid": "u3"}}]}
    job = {"kind": "Job", "metadata": {"name": "tj-it", "uid": "u3", "creationTimestamp": "2026-01-02T03:04:06Z"}}
    a_cluster(tmp_path, monkeypatch, children={"items": []}, events=events)
    assert "refuses" not in afina("explain", "tuningjob", "it").output
    a_cluster(tmp_path, monkeypatch, children={"items": [job]}, events=events)
    assert "event on job: FailedCreate: denied" in afina("explain", "tuningjob", "it").output


def test_explains_no_kind_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_kubectl(tmp_path, "", monkeypatch)
    found = afina("explain", "deployment", "it")
    assert found.exit_code == 2
    assert "'deployment' is none of tuningjob, automljob, dataset, modeldeployment" in found.output


def test_explains_nothing_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_kubectl(tmp_path, "echo 'tuningjobs.afina.dev \"it\" not found' >&2; exit 1", monkeypatch)
    found = afina("explain", "tuningjob", "it")
    assert (found.exit_code, found.output) == (1, 'Error: tuningjobs.afina.dev "it" not found\n')
