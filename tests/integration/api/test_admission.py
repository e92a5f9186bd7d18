"""A real API server refuses every bad TuningJob, naming the field, and takes every good one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from afina_api.parameters import FIXED_SPACE, RANGES_GROW, SPACE_IS_FIXED
from support.data_specs import ACCEPTED_DATA, GOOD_DATASET, REFUSED_DATA
from support.lab import ControlPlane, eventually
from support.serving_specs import ACCEPTED_SERVING, REFUSED_SERVING
from support.spaces import GROWN, INTS, MORE, NOT_GROWN, NOT_GROWN_LAST
from support.specs import ACCEPTED, GOOD, REFUSED, Refused, changed

pytestmark = pytest.mark.integration

OTHERS_REFUSED, OTHERS_ACCEPTED = REFUSED_DATA | REFUSED_SERVING, ACCEPTED_DATA | ACCEPTED_SERVING

IMMUTABLE: dict[str, dict[str, Any]] = {
    "objectives": {"spec.objectives.0.goal": "Maximize"},
    "constraints": {"spec.constraints": [{"name": "small", "expression": "max_depth < 9"}]},
    "initialConfigs": {"spec.initialConfigs": [{"params": [{"name": "max_depth", "value": 3}]}]},
    "algorithm": {"spec.algorithm": {"name": "Random"}},
    "pruning": {"spec.pruning": {"name": "Median"}},
    "trial": {"spec.trial.timeoutSeconds": 5},
    "storage": {"spec.storage": {"volume": {"size": "2Gi"}}},
}


def _kubectl(
    kubeconfig: Path, *arguments: str, stdin: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kubectl", f"--kubeconfig={kubeconfig}", *arguments],
        input=json.dumps(stdin) if stdin else None,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def _create(kubeconfig: Path, job: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    return _kubectl(kubeconfig, "create", "-f", "-", *arguments, stdin=job)


def _create_anew(kubeconfig: Path, job: dict[str, Any]) -> None:
    _kubectl(kubeconfig, "delete", "tj", job["metadata"]["name"], "--ignore-not-found")
    assert _create(kubeconfig, job).returncode == 0


CEL_CASES = {name: case for name, case in REFUSED.items() if not case.model_only}


@pytest.mark.parametrize("case", CEL_CASES.values(), ids=CEL_CASES.keys())
def test_api_server_refuses(apiserver: Path, case: Refused) -> None:
    answer = _create(apiserver, changed(GOOD, case.changes), "--dry-run=server")
    assert answer.returncode == 1, answer.stdout
    assert case.at in answer.stderr
    assert case.says in answer.stderr


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_api_server_accepts(apiserver: Path, changes: dict[str, Any]) -> None:
    answer = _create(apiserver, changed(GOOD, changes), "--dry-run=server", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    spec = json.loads(answer.stdout)["spec"]
    assert spec["algorithm"]["name"], "defaults are in the schema"
    assert spec["trial"]["resources"]["memory"]


def test_what_was_there_before_the_policy_can_be_labelled_and_deleted(
    apiserver: Path, control_plane: ControlPlane
) -> None:
    bad = changed(GOOD, REFUSED["placeholder of no parameter"].changes | {"metadata.name": "older"})
    control_plane.kubectl("delete", "validatingadmissionpolicybinding", "tuningjobs.afina.dev")
    try:
        eventually("the API server takes it", lambda: _create(apiserver, bad).returncode == 0)
    finally:
        control_plane.apply_policies()
    assert _kubectl(apiserver, "label", "tj", "older", "a=b").returncode == 0
    widened = _kubectl(
        apiserver, "patch", "tj", "older", "--type=merge", "-p", '{"spec": {"budget": {"maxTrials": 9}}}'
    )
    assert "must name a parameter of the spec" in widened.stderr
    assert _kubectl(apiserver, "delete", "tj", "older").returncode == 0


@pytest.mark.parametrize(("good", "case"), OTHERS_REFUSED.values(), ids=OTHERS_REFUSED.keys())
def test_api_server_refuses_other_kinds(apiserver: Path, good: dict[str, Any], case: Refused) -> None:
    answer = _create(apiserver, changed(good, case.changes), "--dry-run=server")
    assert answer.returncode == 1, answer.stdout
    assert case.at in answer.stderr
    assert case.says in answer.stderr


@pytest.mark.parametrize("good", OTHERS_ACCEPTED.values(), ids=OTHERS_ACCEPTED.keys())
def test_api_server_accepts_other_kinds(apiserver: Path, good: dict[str, Any]) -> None:
    answer = _create(apiserver, good, "--dry-run=server")
    assert answer.returncode == 0, answer.stderr


def test_a_dataset_never_changes(apiserver: Path) -> None:
    dataset = changed(GOOD_DATASET, {"metadata.name": "fixed"})
    assert _create(apiserver, dataset).returncode == 0
    answer = _kubectl(apiserver, "patch", "mlds", "fixed", "--type=merge", "-p", '{"spec": {"format": "TSV"}}')
    assert answer.returncode == 1
    assert "a Dataset is one immutable version: create another one, with derivedFrom" in answer.stderr


@pytest.fixture
def started(apiserver: Path) -> str:
    """The name of a TuningJob whose status says that it has started."""
    return _start(apiserver, "started", {})


def _start(kubeconfig: Path, name: str, changes: dict[str, Any]) -> str:
    command = {"spec.trial": {"command": {"argv": ["train"]}}}
    _create_anew(kubeconfig, changed(GOOD, {"metadata.name": name} | (changes and changes | command)))
    _patch_status(kubeconfig, name, {"startTime": "2026-01-01T00:00:00Z"})
    return name


def _patch_status(kubeconfig: Path, name: str, status: dict[str, Any]) -> None:
    answer = _kubectl(
        kubeconfig, "patch", "tj", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )
    assert answer.returncode == 0, answer.stderr


def _replace(kubeconfig: Path, name: str, changes: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    live = json.loads(_kubectl(kubeconfig, "get", "tj", name, "-o", "json").stdout)
    return _kubectl(kubeconfig, "replace", "-f", "-", stdin=changed(live, changes))


@pytest.mark.parametrize("field", IMMUTABLE)
def test_started_job_is_fixed(apiserver: Path, started: str, field: str) -> None:
    answer = _replace(apiserver, started, IMMUTABLE[field])
    assert answer.returncode == 1, answer.stdout
    assert f"spec.{field}" in answer.stderr
    assert "cannot change after the job has started: create another TuningJob" in answer.stderr


def test_job_that_has_not_started_may_change(apiserver: Path) -> None:
    name = "waiting"
    _create_anew(apiserver, changed(GOOD, {"metadata.name": name, "spec.suspend": True}))
    for changes in IMMUTABLE.values():
        assert _replace(apiserver, name, changes).returncode == 0


def test_budget_may_grow_but_not_shrink(apiserver: Path, started: str) -> None:
    assert _replace(apiserver, started, {"spec.budget.maxTrials": 50}).returncode == 0
    shrunk = _replace(apiserver, started, {"spec.budget.maxTrials": 4})
    assert "maxTrials may only grow after the job has started" in shrunk.stderr
    for parallel in (3, 1, 2):
        assert _replace(apiserver, started, {"spec.budget.parallelTrials": parallel}).returncode == 0


@pytest.mark.parametrize(("before", "after"), GROWN.values(), ids=GROWN.keys())
def test_ranges_of_a_started_job_may_grow(apiserver: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    _start(apiserver, "wider", {"spec.parameters": [*MORE, before]})
    answer = _replace(apiserver, "wider", {"spec.parameters": [*MORE, after]})
    assert answer.returncode == 0, answer.stderr


OTHERWISE = {name: ([*MORE, before], [*MORE, after]) for name, (before, after) in (NOT_GROWN | NOT_GROWN_LAST).items()}
OTHERWISE |= {
    "one more": ([*MORE], [*MORE, INTS]),
    "one less": ([*MORE, INTS], [*MORE]),
    "another order": ([*MORE, INTS], [INTS, *MORE]),
}


@pytest.mark.parametrize(("before", "after"), OTHERWISE.values(), ids=OTHERWISE.keys())
def test_nothing_else_of_the_space_may_change(
    apiserver: Path, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    _start(apiserver, "other", {"spec.parameters": before})
    answer = _replace(apiserver, "other", {"spec.parameters": after})
    assert answer.returncode == 1, answer.stdout
    assert f"spec.parameters: {RANGES_GROW}" in answer.stderr


def test_a_space_of_the_largest_size_may_grow(apiserver: Path) -> None:
    """Rules cost, and the API server pays no more than it wants to."""
    words = {"categorical": {"choices": [f"{number}-{'x' * 60}" for number in range(100)]}}
    when = {"when": [{"parameter": "p0", "in": [f"{number}-{'x' * 60}" for number in range(10)]}]}
    before: list[dict[str, Any]] = [{"name": "p0"} | words]
    before += [{"name": f"p{n}", "int": {"min": 1, "max": 9}} | when for n in range(1, 50)]
    before += [{"name": f"p{n}"} | words | when for n in range(50, 100)]
    _start(apiserver, "large", {"spec.parameters": before})
    after = [one | {"int": {"min": 0, "max": 10}} if "int" in one else one for one in before]
    answer = _replace(apiserver, "large", {"spec.parameters": after})
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("algorithm", FIXED_SPACE)
def test_the_space_of_some_algorithms_is_fixed(apiserver: Path, algorithm: str) -> None:
    _start(apiserver, "fixed", {"spec.parameters": [INTS], "spec.algorithm": {"name": algorithm}})
    answer = _replace(apiserver, "fixed", {"spec.parameters.0.int.max": 20})
    assert f"spec.parameters: {SPACE_IS_FIXED}" in answer.stderr


def test_finished_job_takes_no_more_budget_but_a_ttl(apiserver: Path, started: str) -> None:
    _patch_status(apiserver, started, {"completionTime": "2026-01-01T00:00:01Z"})
    grown = _replace(apiserver, started, {"spec.budget.maxTrials": 50})
    assert "budget cannot change after the job has ended" in grown.stderr
    assert _replace(apiserver, started, {"spec.ttlSecondsAfterFinished": 60}).returncode == 0


def test_get_shows_how_it_is_going(apiserver: Path, started: str) -> None:
    condition = {
        "type": "Succeeded",
        "status": "Unknown",
        "reason": "Running",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {
        "conditions": [condition],
        "trials": {"total": 4, "running": 2, "succeeded": 1, "failed": 1},
        "summary": {"best": "rmse 0.5512", "trials": "2/5"},
    }
    _patch_status(apiserver, started, status)
    header, row = _kubectl(apiserver, "get", "tj", started).stdout.splitlines()
    assert header.split() == ["NAME", "BEST", "TRIALS", "RUNNING", "REASON", "AGE"]
    assert row.split()[:6] == ["started", "rmse", "0.5512", "2/5", "2", "Running"]
    assert started in _kubectl(apiserver, "get", "afina").stdout, "the category finds it"
