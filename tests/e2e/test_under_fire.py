"""Operator and driver are killed, five times each, in the midst of one job: nothing is lost or counted twice."""

from collections.abc import Callable

import pytest

from e2e.chaos import KILLS, NAME, TRIALS, Chaos, read_study
from e2e.jobs import children, counts, succeeded, wait_ended
from kube import Cluster, KubeError
from tracking import forwarded_mlflow

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def over(afina: Cluster, new_namespace: Callable[[str], str]) -> Chaos:
    """The chaos after its last kill."""
    chaos = Chaos(afina, new_namespace("chaos"))
    try:
        chaos.run()
    except KubeError as error:
        raise AssertionError(f"after {chaos.killed}, seed {chaos.seed}") from error
    assert len(chaos.killed) == 2 * KILLS
    return chaos


def test_the_job_ends_with_exact_counts(over: Chaos, afina: Cluster) -> None:
    found = wait_ended(afina, over.namespace, NAME)
    assert succeeded(found)["reason"] == "MaxTrialsReached", f"seed {over.seed}: {succeeded(found)}"
    assert counts(found) == {"total": TRIALS, "running": 0, "succeeded": TRIALS, "failed": 0, "pruned": 0}


def test_the_study_has_every_trial_once(over: Chaos, afina: Cluster) -> None:
    wait_ended(afina, over.namespace, NAME)
    assert read_study(afina, over.namespace) == [(number, "COMPLETE", 1) for number in range(TRIALS)]


def test_mlflow_has_every_trial_once(over: Chaos, afina: Cluster) -> None:
    tracking = wait_ended(afina, over.namespace, NAME)["status"]["tracking"]
    with forwarded_mlflow(afina) as mlflow:
        runs = mlflow.trials(tracking["experimentId"], tracking["runId"])
    assert [run["info"]["status"] for run in runs] == ["FINISHED"] * TRIALS


def test_nothing_is_left_to_repair(over: Chaos, afina: Cluster) -> None:
    found = wait_ended(afina, over.namespace, NAME)
    assert "finalizers" not in found["metadata"]
    kinds = [child.partition("/")[0] for child in children(afina, over.namespace, NAME)]
    made_once = [kind for kind in kinds if kind != "Pod"]
    assert made_once == ["ConfigMap", "Job", "PersistentVolumeClaim", "Role", "RoleBinding", "ServiceAccount"]
