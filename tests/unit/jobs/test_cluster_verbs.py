"""`afina explain` and its like, on what kubectl answers. That they work is seen on the real cluster."""

import importlib
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.laptop import a_kubectl, afina

Json = dict[str, Any]
watch = importlib.import_module("afina_jobs.cli.watch")  # the package has the command of that name
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


def test_reads_the_log_of_the_driver_and_not_of_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"name": "tj-it-worker", "creationTimestamp": "2026-01-02T04:05:06Z", "labels": {"ray.io/cluster": "tj-it"}}
    worker = POD | {"metadata": POD["metadata"] | about}
    asked = a_cluster(tmp_path, monkeypatch, children={"items": [POD, worker]})
    assert "kubectl logs tj-it-a | grep" in afina("explain", "tuningjob", "it").output
    assert "logs tj-it-a --container driver" in asked.read_text()


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


def seen(status: str = "Unknown", reason: str = "Running", /, **more: Any) -> Json:
    """The TuningJob as it is at one moment."""
    summary = {"type": "Succeeded", "status": status, "reason": reason, "message": "as it is"}
    return OBJECT | {"status": {"conditions": [summary], **more}}


def leads(number: int, value: float) -> Json:
    return {"best": [{"number": number, "values": {"rmse": value}, "params": [{"name": "x", "value": 0.5}]}]}


def counted(total: int, **states: int) -> Json:
    return {"trials": {"total": total, **states}}


FORECAST = {"forecast": {"trials": 5, "optimistic": 0.25, "pessimistic": 0.5}}
LIVES: dict[str, tuple[list[Json], int, list[str]]] = {
    "a good one": (
        [
            OBJECT | {"status": {}},
            seen("Unknown", "Pending"),
            seen(**counted(1, running=1)),
            seen(**counted(1, running=1)),
            seen(**counted(4, running=1, failed=1, pruned=1), **leads(0, 0.75)),
            seen(**counted(4, running=1, failed=1, pruned=1), **leads(0, 0.75), **FORECAST),
            seen("True", "MaxTrialsReached", **counted(9), **leads(7, 0.5)),
        ],
        0,
        [
            "not seen by the operator yet: 0/9 trials",
            "Pending: 0/9 trials",
            "Running: 0/9 trials, 1 running",
            "Running: 3/9 trials, 1 running, 1 failed, 1 pruned, best rmse 0.75 (trial 0)",
            "Running: 3/9 trials, 1 running, 1 failed, 1 pruned, best rmse 0.75 (trial 0),"
            " with 5 more likely 0.25 to 0.5",
            "MaxTrialsReached: 9/9 trials, best rmse 0.5 (trial 7)",
            "MaxTrialsReached: as it is",
            "Best: rmse 0.5 (trial 7)",
            "  x: 0.5",
            "Next: afina results tuningjob it",
        ],
    ),
    "a bad one": (
        [seen("False", "InvalidObjective", best=[])],
        1,
        ["InvalidObjective: 0/9 trials", "InvalidObjective: as it is", "Next: afina explain tuningjob it"],
    ),
    "one that is deleted": (
        [seen(**counted(1, running=1))],
        1,
        ["Running: 0/9 trials, 1 running", 'Error: Error from server (NotFound): tuningjobs "it" not found'],
    ),
}


def a_life(folder: Path, monkeypatch: pytest.MonkeyPatch, moments: list[Json], then: str = "") -> None:
    """A kubectl that shows one moment after the other; after the last it does as the script says."""
    for number, moment in enumerate(moments):
        (folder / str(number)).write_text(json.dumps(moment))
    gone = then or "echo 'Error from server (NotFound): tuningjobs \"it\" not found' >&2; exit 1"
    count = f"n=$(cat {folder}/count 2>/dev/null || echo 0); echo $((n + 1)) > {folder}/count"
    a_kubectl(folder, f"{count}; if [ -e {folder}/$n ]; then cat {folder}/$n; else {gone}; fi", monkeypatch)
    monkeypatch.setattr(watch, "_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize("life", LIVES)
def test_watches(life: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments, code, lines = LIVES[life]
    a_life(tmp_path, monkeypatch, moments)
    found = afina("watch", "tuningjob", "it")
    assert found.output.splitlines() == lines
    assert found.exit_code == code


def test_watches_through_an_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = f"""if [ $n -gt 3 ]; then cat {tmp_path}/end; else echo "connection refused" >&2; exit 1; fi"""
    a_life(tmp_path, monkeypatch, [seen()], away)
    (tmp_path / "end").write_text(json.dumps(seen("True", "TargetReached", **leads(0, 1))))
    assert afina("watch", "TuningJobs", "it").exit_code == 0


def test_watches_no_longer_than_makes_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_life(tmp_path, monkeypatch, [seen()], 'echo "connection refused" >&2; exit 1')
    monkeypatch.setattr(watch, "_PATIENCE_SECONDS", 0.0)
    found = afina("watch", "tj", "it")
    assert (found.exit_code, "connection refused" in found.output) == (1, True)


def test_an_interrupted_watch_has_a_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    a_life(tmp_path, monkeypatch, [seen()])
    # Its own clock: subprocess sleeps, too, while it waits for kubectl.
    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=interrupt, monotonic=time.monotonic))
    assert afina("watch", "tj", "it").exit_code == 130


def test_moves_a_line_on_a_terminal_and_keeps_each_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [seen(**counted(n, running=1), **leads(n, 9 - n)) for n in (1, 2)]
    a_life(tmp_path, monkeypatch, [*moments, moments[1], seen("True", "MaxTrialsReached", **leads(2, 7))])
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any stream for a terminal then
    shown = afina("watch", "tj", "it").output
    for number in (1, 2):
        assert shown.count(f"Running: {number - 1}/9 trials, 1 running, best rmse {9 - number} (trial {number})\n") == 1
    assert shown.endswith("Next: afina results tuningjob it\n")
