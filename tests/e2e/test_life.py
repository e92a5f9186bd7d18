"""What may happen to a TuningJob between its making and its deletion."""

import json
import re
from collections.abc import Callable

import pytest

from e2e.jobs import (
    LOSS_IS_X,
    Json,
    children,
    condition,
    config_map,
    counts,
    job,
    pods,
    script,
    succeeded,
    tuning_job,
    wait_ended,
    wait_for_condition,
    wait_for_trials,
)
from kube import Cluster, KubeError, wait_until

pytestmark = pytest.mark.e2e

LONG_NAME = "a" * 30 + "-" + "b" * 32
SLOW = script(f"sleep 3; {LOSS_IS_X}")
ENDLESS = script("sleep 1000000")
UNPLACEABLE = {**script(LOSS_IS_X), "resources": {"cpu": "50m", "memory": "64Mi", "gpu": 64}}

JOBS: dict[str, Json] = {
    "growing": tuning_job("growing", SLOW, budget={"maxTrials": 33}),
    "passing": tuning_job("passing", script(LOSS_IS_X), ttlSecondsAfterFinished=1),
    "long": tuning_job(LONG_NAME, script(LOSS_IS_X)),
    "twin": tuning_job("twin", script(LOSS_IS_X)),
    "taken": tuning_job("taken", script(LOSS_IS_X)),
    "on-gpu": tuning_job("on-gpu", {**script(LOSS_IS_X), "resources": {"cpu": "50m", "memory": "64Mi", "gpu": 1}}),
    "unplaceable": tuning_job("unplaceable", UNPLACEABLE),
    "endless": tuning_job("endless", ENDLESS),
    "stopped": tuning_job("stopped", ENDLESS),
    "not-begun": tuning_job("not-begun", ENDLESS, suspend=True),
    "replaced": tuning_job("replaced", ENDLESS),
    "queued": tuning_job("queued", script(LOSS_IS_X)),
}
JOBS["queued"]["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "a-queue"}


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    """Where all of them have been applied, one after something that has taken its children's name."""
    namespace = new_namespace("life")
    afina.apply(config_map("tj-taken", notes_txt="mine"), *JOBS.values(), namespace=namespace)
    return namespace


@pytest.fixture(scope="module")
def other_namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    namespace = new_namespace("life")
    afina.apply(JOBS["twin"], namespace=namespace)
    return namespace


def test_budget_grows_in_flight_and_the_search_space_does_not_shrink(afina: Cluster, namespace: str) -> None:
    """The kubelet takes a minute to tell the driver, so its trials last longer than that."""
    wait_for_trials(afina, namespace, "growing", ended=1)
    _patch_spec(afina, namespace, "growing", {"budget": {"maxTrials": 35}})
    parameters = [{"name": "x", "float": {"min": 0, "max": 0.5}}]
    with pytest.raises(KubeError, match="after the job has started, only ranges of numbers may change"):
        _patch_spec(afina, namespace, "growing", {"parameters": parameters})
    with pytest.raises(KubeError, match="maxTrials may only grow"):
        _patch_spec(afina, namespace, "growing", {"budget": {"maxTrials": 2}})


def test_more_trials_at_a_time_and_a_wider_range(afina: Cluster, namespace: str) -> None:
    """Its driver is replaced by one with more room, which reads the range when it starts."""
    afina.apply(tuning_job("widening", SLOW, budget={"maxTrials": 20}), namespace=namespace)
    wait_for_trials(afina, namespace, "widening", ended=2)
    parameters = [{"name": "x", "float": {"min": 0, "max": 50}}]
    _patch_spec(afina, namespace, "widening", {"budget": {"parallelTrials": 3}, "parameters": parameters})

    def larger() -> list[str]:
        """Three trials of 50m, and 100m for the driver."""
        found = [one for one in pods(afina, namespace, "widening") if one["status"]["phase"] == "Running"]
        asked = {one["metadata"]["name"]: one["spec"]["containers"][0]["resources"]["requests"] for one in found}
        return [name for name, requests in asked.items() if requests["cpu"] == "250m"]

    (driver,) = wait_until(larger, "a driver with more room", 180)
    ended = wait_ended(afina, namespace, "widening")
    assert counts(ended) == {"total": 20, "running": 0, "succeeded": 20, "failed": 0, "pruned": 0}
    assert afina.kubectl("get", "events", "--field-selector=reason=Resized", "-o=name", namespace=namespace)
    log = afina.kubectl("logs", driver, namespace=namespace)
    assert max(float(value) for value in re.findall(r"; x=(\S+)", log)) > 1, "the range is wider"


def test_suspends_and_goes_on(afina: Cluster, namespace: str) -> None:
    # Long enough for the operator to be away for a while: it may be under fire.
    afina.apply(tuning_job("pausing", SLOW, budget={"maxTrials": 20, "parallelTrials": 2}), namespace=namespace)
    wait_for_trials(afina, namespace, "pausing", ended=2)
    _patch_spec(afina, namespace, "pausing", {"suspend": True})
    paused = wait_for_condition(afina, namespace, "pausing", "Suspended")
    assert {pod["status"]["phase"] for pod in pods(afina, namespace, "pausing")} <= {"Succeeded", "Failed"}
    wait_until(lambda: pods(afina, namespace, "pausing") == [], "no pod of `pausing`", 60)
    assert counts(paused)["running"] == 0
    assert 2 <= counts(paused)["succeeded"] < 20
    assert succeeded(paused)["reason"] == "Suspended"
    _patch_spec(afina, namespace, "pausing", {"suspend": False})
    ended = wait_ended(afina, namespace, "pausing")
    assert succeeded(ended)["reason"] == "MaxTrialsReached"
    assert counts(ended) == {"total": 20, "running": 0, "succeeded": 20, "failed": 0, "pruned": 0}
    assert condition(ended, "Suspended")["status"] == "False"


def test_deletes_itself_after_its_time_to_live(afina: Cluster, namespace: str) -> None:
    wait_until(lambda: afina.get("tuningjob", "passing", namespace) is None, "end of `passing`", 240)
    _wait_for_no_children(afina, namespace, "passing")


def test_name_of_63_characters(afina: Cluster, namespace: str) -> None:
    assert len(LONG_NAME) == 63
    assert succeeded(wait_ended(afina, namespace, LONG_NAME))["status"] == "True"
    names = {name.partition("/")[2] for name in children(afina, namespace, LONG_NAME) if not name.startswith("Pod/")}
    assert [len(name) for name in names] == [63]


def test_two_jobs_of_one_name_in_two_namespaces(afina: Cluster, namespace: str, other_namespace: str) -> None:
    ended = [wait_ended(afina, where, "twin") for where in (namespace, other_namespace)]
    assert [counts(one)["succeeded"] for one in ended] == [3, 3]
    # The same seed proposes the same parameters.
    assert ended[0]["status"]["best"] == ended[1]["status"]["best"]


def test_never_overwrites_what_is_not_its_own(afina: Cluster, namespace: str) -> None:
    found = wait_ended(afina, namespace, "taken")
    assert (succeeded(found)["status"], succeeded(found)["reason"]) == ("False", "NameConflict")
    assert "ConfigMap" in succeeded(found)["message"]
    assert "tj-taken" in succeeded(found)["message"]
    kept = afina.get("configmap", "tj-taken", namespace)
    assert kept
    assert kept["data"] == {"notes.txt": "mine"}


def test_runs_on_a_gpu(afina: Cluster, namespace: str) -> None:
    assert succeeded(wait_ended(afina, namespace, "on-gpu"))["status"] == "True"
    (pod,) = pods(afina, namespace, "on-gpu")
    node = afina.get("node", pod["spec"]["nodeName"])
    assert node
    assert int(node["status"]["allocatable"]["nvidia.com/gpu"]) >= 1
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_says_what_the_scheduler_misses(afina: Cluster, namespace: str) -> None:
    found = wait_until(
        lambda: (
            [succeeded(job(afina, namespace, "unplaceable"))]
            if "nvidia.com/gpu" in succeeded(job(afina, namespace, "unplaceable")).get("message", "")
            else []
        ),
        "the scheduler's words in the condition",
        60,
    )
    assert (found[0]["status"], found[0]["reason"]) == ("Unknown", "Pending")
    assert "Insufficient nvidia.com/gpu" in found[0]["message"]


@pytest.mark.parametrize("name", ["unplaceable", "endless", "stopped", "twin"])
def test_deletion_leaves_nothing(name: str, afina: Cluster, namespace: str) -> None:
    """Deleted while it waits, runs, is suspended, has ended."""
    if name in ("endless", "stopped"):
        wait_for_condition(afina, namespace, name, "Running")
    if name == "stopped":
        _patch_spec(afina, namespace, name, {"suspend": True})
        wait_for_condition(afina, namespace, name, "Suspended")
    if name == "twin":
        wait_ended(afina, namespace, name)
    assert children(afina, namespace, name)
    afina.kubectl("delete", "tuningjob", name, "--timeout=60s", namespace=namespace)
    _wait_for_no_children(afina, namespace, name)


def test_makes_nothing_while_suspended_from_the_start(afina: Cluster, namespace: str) -> None:
    wait_for_condition(afina, namespace, "not-begun", "Suspended")
    assert children(afina, namespace, "not-begun") == []
    assert "startTime" not in job(afina, namespace, "not-begun")["status"]


def test_successor_of_the_same_name_starts_afresh(afina: Cluster, namespace: str) -> None:
    wait_for_condition(afina, namespace, "replaced", "Running")
    afina.kubectl("delete", "tuningjob", "replaced", namespace=namespace)
    afina.apply(tuning_job("replaced", script(LOSS_IS_X)), namespace=namespace)
    ended = wait_ended(afina, namespace, "replaced")
    assert counts(ended) == {"total": 3, "running": 0, "succeeded": 3, "failed": 0, "pruned": 0}


def test_grown_budget_is_used(afina: Cluster, namespace: str) -> None:
    ended = wait_ended(afina, namespace, "growing")
    assert counts(ended)["succeeded"] == 35
    assert ended["status"]["summary"]["trials"] == "35/35"
    with pytest.raises(KubeError, match="budget cannot change after the job has ended: create another TuningJob"):
        _patch_spec(afina, namespace, "growing", {"budget": {"maxTrials": 999}})


def _patch_spec(cluster: Cluster, namespace: str, name: str, spec: Json) -> None:
    patch = json.dumps({"spec": spec})
    cluster.kubectl("patch", "tuningjob", name, "--type=merge", "-p", patch, namespace=namespace)


def _wait_for_no_children(cluster: Cluster, namespace: str, name: str) -> None:
    wait_until(lambda: not children(cluster, namespace, name), f"{name}'s children gone", 90)


def test_a_queued_job_waits_until_kueue_lets_it_run(afina: Cluster, namespace: str) -> None:
    """There is no Kueue here: the test does what it would do."""
    wait_until(
        lambda: "It waits in the queue 'a-queue'" in succeeded(job(afina, namespace, "queued")).get("message", ""),
        "the word of the queue",
        60,
    )
    waiting = afina.get("job", "tj-queued", namespace)
    assert waiting
    assert waiting["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "a-queue"
    admitted = '{"spec": {"suspend": false}}'
    afina.kubectl("patch", "job", "tj-queued", "--type=merge", f"-p={admitted}", namespace=namespace)
    assert succeeded(wait_ended(afina, namespace, "queued"))["status"] == "True"
