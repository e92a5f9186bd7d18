"""A real API server refuses every bad TuningJob, naming the field, and takes every good one."""

from collections.abc import Iterator

import httpx2
import pytest

from afina_api.parameters import FIXED_SPACE, RANGES_GROW, SPACE_IS_FIXED
from support.data_specs import ACCEPTED_DATA, GOOD_DATASET, REFUSED_DATA
from support.lab import ControlPlane, Json, eventually
from support.serving_specs import ACCEPTED_SERVING, REFUSED_SERVING
from support.spaces import GROWN, INTS, MORE, NOT_GROWN, NOT_GROWN_LAST
from support.specs import ACCEPTED, GOOD, REFUSED, Refused, changed

pytestmark = pytest.mark.integration

OTHERS_REFUSED, OTHERS_ACCEPTED = REFUSED_DATA | REFUSED_SERVING, ACCEPTED_DATA | ACCEPTED_SERVING

IMMUTABLE: dict[str, Json] = {
    "objectives": {"spec.objectives.0.goal": "Maximize"},
    "constraints": {"spec.constraints": [{"name": "small", "expression": "max_depth < 9"}]},
    "initialConfigs": {"spec.initialConfigs": [{"params": [{"name": "max_depth", "value": 3}]}]},
    "algorithm": {"spec.algorithm": {"name": "Random"}},
    "pruning": {"spec.pruning": {"name": "Median"}},
    "trial": {"spec.trial.timeoutSeconds": 5},
    "storage": {"spec.storage": {"volume": {"size": "2Gi"}}},
}


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[httpx2.Client]:
    """The API server, as an administrator: a process of kubectl for each request would take fifty times as long."""
    with control_plane.client() as client:
        yield client


def _path(kind: str, name: str = "") -> str:
    return f"/apis/afina.dev/v1alpha1/namespaces/default/{kind.lower()}s/{name}".rstrip("/")


def _create(api: httpx2.Client, found: Json, **params: str) -> httpx2.Response:
    return api.post(_path(found["kind"]), json=found, params={"fieldValidation": "Strict"} | params)


def _tried(api: httpx2.Client, found: Json) -> httpx2.Response:
    """What would be said to it."""
    return _create(api, found, dryRun="All")


def _patch(api: httpx2.Client, path: str, patch: Json) -> httpx2.Response:
    return api.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"})


def _create_anew(api: httpx2.Client, job: Json) -> None:
    api.delete(_path("TuningJob", job["metadata"]["name"]))
    assert _create(api, job).is_success


def _refusal(answer: httpx2.Response) -> str:
    """The words of one."""
    assert answer.is_client_error, answer.text
    return str(answer.json()["message"])


CEL_CASES = {name: case for name, case in REFUSED.items() if not case.model_only}


@pytest.mark.parametrize("case", CEL_CASES.values(), ids=CEL_CASES.keys())
def test_api_server_refuses(api: httpx2.Client, case: Refused) -> None:
    refusal = _refusal(_tried(api, changed(GOOD, case.changes)))
    assert case.at in refusal
    assert case.says in refusal


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_api_server_accepts(api: httpx2.Client, changes: Json) -> None:
    answer = _tried(api, changed(GOOD, changes))
    assert answer.is_success, answer.text
    spec = answer.json()["spec"]
    assert spec["algorithm"]["name"], "defaults are in the schema"
    assert spec["trial"]["resources"]["memory"]


def test_what_was_there_before_the_policy_can_be_labelled_and_deleted(
    api: httpx2.Client, control_plane: ControlPlane
) -> None:
    bad = changed(GOOD, REFUSED["placeholder of no parameter"].changes | {"metadata.name": "older"})
    control_plane.kubectl("delete", "validatingadmissionpolicybinding", "tuningjobs.afina.dev")
    try:
        eventually("the API server takes it", lambda: _create(api, bad).is_success)
    finally:
        control_plane.apply_policies()
    older = _path("TuningJob", "older")
    assert _patch(api, older, {"metadata": {"labels": {"a": "b"}}}).is_success
    assert "must name a parameter of the spec" in _refusal(_patch(api, older, {"spec": {"budget": {"maxTrials": 9}}}))
    assert api.delete(older).is_success


@pytest.mark.parametrize(("good", "case"), OTHERS_REFUSED.values(), ids=OTHERS_REFUSED.keys())
def test_api_server_refuses_other_kinds(api: httpx2.Client, good: Json, case: Refused) -> None:
    refusal = _refusal(_tried(api, changed(good, case.changes)))
    assert case.at in refusal
    assert case.says in refusal


@pytest.mark.parametrize("good", OTHERS_ACCEPTED.values(), ids=OTHERS_ACCEPTED.keys())
def test_api_server_accepts_other_kinds(api: httpx2.Client, good: Json) -> None:
    answer = _tried(api, good)
    assert answer.is_success, answer.text


def test_a_dataset_never_changes(api: httpx2.Client) -> None:
    dataset = changed(GOOD_DATASET, {"metadata.name": "fixed"})
    assert _create(api, dataset).is_success
    refusal = _refusal(_patch(api, _path("Dataset", "fixed"), {"spec": {"format": "TSV"}}))
    assert "a Dataset is one immutable version: create another one, with derivedFrom" in refusal


@pytest.fixture
def started(api: httpx2.Client) -> str:
    """The name of a TuningJob whose status says that it has started."""
    return _start(api, "started", {})


def _start(api: httpx2.Client, name: str, changes: Json) -> str:
    command = {"spec.trial": {"command": {"argv": ["train"]}}}
    _create_anew(api, changed(GOOD, {"metadata.name": name} | (changes and changes | command)))
    _patch_status(api, name, {"startTime": "2026-01-01T00:00:00Z"})
    return name


def _patch_status(api: httpx2.Client, name: str, status: Json) -> None:
    answer = _patch(api, f"{_path('TuningJob', name)}/status", {"status": status})
    assert answer.is_success, answer.text


def _replace(api: httpx2.Client, name: str, changes: Json) -> httpx2.Response:
    path = _path("TuningJob", name)
    return api.put(path, json=changed(api.get(path).json(), changes))


@pytest.mark.parametrize("field", IMMUTABLE)
def test_started_job_is_fixed(api: httpx2.Client, started: str, field: str) -> None:
    refusal = _refusal(_replace(api, started, IMMUTABLE[field]))
    assert f"spec.{field}" in refusal
    assert "cannot change after the job has started: create another TuningJob" in refusal


def test_job_that_has_not_started_may_change(api: httpx2.Client) -> None:
    name = "waiting"
    _create_anew(api, changed(GOOD, {"metadata.name": name, "spec.suspend": True}))
    for changes in IMMUTABLE.values():
        assert _replace(api, name, changes).is_success


def test_budget_may_grow_but_not_shrink(api: httpx2.Client, started: str) -> None:
    assert _replace(api, started, {"spec.budget.maxTrials": 50}).is_success
    shrunk = _replace(api, started, {"spec.budget.maxTrials": 4})
    assert "maxTrials may only grow after the job has started" in _refusal(shrunk)
    for parallel in (3, 1, 2):
        assert _replace(api, started, {"spec.budget.parallelTrials": parallel}).is_success


@pytest.mark.parametrize(("before", "after"), GROWN.values(), ids=GROWN.keys())
def test_ranges_of_a_started_job_may_grow(api: httpx2.Client, before: Json, after: Json) -> None:
    _start(api, "wider", {"spec.parameters": [*MORE, before]})
    answer = _replace(api, "wider", {"spec.parameters": [*MORE, after]})
    assert answer.is_success, answer.text


OTHERWISE = {name: ([*MORE, before], [*MORE, after]) for name, (before, after) in (NOT_GROWN | NOT_GROWN_LAST).items()}
OTHERWISE |= {
    "one more": ([*MORE], [*MORE, INTS]),
    "one less": ([*MORE, INTS], [*MORE]),
    "another order": ([*MORE, INTS], [INTS, *MORE]),
}


@pytest.mark.parametrize(("before", "after"), OTHERWISE.values(), ids=OTHERWISE.keys())
def test_nothing_else_of_the_space_may_change(api: httpx2.Client, before: list[Json], after: list[Json]) -> None:
    _start(api, "other", {"spec.parameters": before})
    answer = _replace(api, "other", {"spec.parameters": after})
    assert f"spec.parameters: {RANGES_GROW}" in _refusal(answer)


def test_a_space_of_the_largest_size_may_grow(api: httpx2.Client) -> None:
    """Rules cost, and the API server pays no more than it wants to."""
    words = {"categorical": {"choices": [f"{number}-{'x' * 60}" for number in range(100)]}}
    when = {"when": [{"parameter": "p0", "in": [f"{number}-{'x' * 60}" for number in range(10)]}]}
    before: list[Json] = [{"name": "p0"} | words]
    before += [{"name": f"p{n}", "int": {"min": 1, "max": 9}} | when for n in range(1, 50)]
    before += [{"name": f"p{n}"} | words | when for n in range(50, 100)]
    _start(api, "large", {"spec.parameters": before})
    after = [one | {"int": {"min": 0, "max": 10}} if "int" in one else one for one in before]
    answer = _replace(api, "large", {"spec.parameters": after})
    assert answer.is_success, answer.text


@pytest.mark.parametrize("algorithm", FIXED_SPACE)
def test_the_space_of_some_algorithms_is_fixed(api: httpx2.Client, algorithm: str) -> None:
    _start(api, "fixed", {"spec.parameters": [INTS], "spec.algorithm": {"name": algorithm}})
    answer = _replace(api, "fixed", {"spec.parameters.0.int.max": 20})
    assert f"spec.parameters: {SPACE_IS_FIXED}" in _refusal(answer)


def test_finished_job_takes_no_more_budget_but_a_ttl(api: httpx2.Client, started: str) -> None:
    _patch_status(api, started, {"completionTime": "2026-01-01T00:00:01Z"})
    grown = _replace(api, started, {"spec.budget.maxTrials": 50})
    assert "budget cannot change after the job has ended" in _refusal(grown)
    assert _replace(api, started, {"spec.ttlSecondsAfterFinished": 60}).is_success


def test_get_shows_how_it_is_going(api: httpx2.Client, control_plane: ControlPlane, started: str) -> None:
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
    _patch_status(api, started, status)
    header, row = control_plane.kubectl("get", "tj", started).splitlines()
    assert header.split() == ["NAME", "BEST", "TRIALS", "RUNNING", "REASON", "AGE"]
    assert row.split()[:6] == ["started", "rmse", "0.5512", "2/5", "2", "Running"]
    assert started in control_plane.kubectl("get", "afina"), "the category finds it"
