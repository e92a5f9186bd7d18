"""Replicas of a ModelDeployment on the real cluster: set, scaled by load, and one more for a rollout."""

from collections.abc import Callable, Iterator

import pytest

from e2e.jobs import Json, condition
from e2e.rollouts import PATIENCE_SECONDS, PER_SECOND, STEPS, Served, a_deployment
from kube import Cluster, wait_until
from support.canaries import BODIES, GOOD
from traffic import Load

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def served(afina: Cluster, new_namespace: Callable[[str], str]) -> Iterator[Served]:
    with a_deployment(afina, new_namespace("replicas")) as found:
        yield found


def test_the_scale_subresource_sets_the_replicas(served: Served) -> None:
    served.cluster.kubectl("scale", "mldep", served.name, "--replicas=2", namespace=served.namespace)
    served.wait(lambda now: now["status"].get("replicas") == 2, "two replicas")
    served.cluster.kubectl("scale", "mldep", served.name, "--replicas=1", namespace=served.namespace)
    served.wait(lambda now: now["status"].get("replicas") == 1, "one replica")


def test_an_autoscaler_scales_in_a_rollout_without_a_failed_request(served: Served) -> None:
    scaling = {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": 30}
    served.patch({"autoscaling": scaling, "rollout": {"steps": [{"setWeight": 20}, {"gate": {}}]}})
    version = served.models.register(GOOD)
    served.wait(lambda now: condition(now, "Progressing").get("reason") == "GateClosed", "the canary waits")
    with Load(f"{served.url}/predict", BODIES, 100) as load:
        # The load is more than three pods are to have, and both revisions get some of it.
        scaled = served.wait(lambda now: now["status"]["replicas"] == 6, "three pods of each revision")
        assert scaled["status"]["weight"] == 20
        served.afina("approve")
        found = served.wait_stable(version)
    assert not load.failures()
    assert found["spec"]["replicas"] == 3
    served.patch({"autoscaling": None})
    wait_until(lambda: not served.cluster.items("hpa", served.namespace), "the autoscaler is gone", PATIENCE_SECONDS)
    served.patch({"replicas": 1})
    served.wait(lambda now: now["status"]["replicas"] == 1, "one replica")


def test_one_pod_more_is_enough_for_a_rollout_without_a_failed_request(served: Served) -> None:
    # Beside other tests a pod is slow for reasons of its own: the judge would wait for minutes until it is sure.
    judge = {"maxLatencyRatio": 100}
    served.patch({"replicas": 2, "rollout": {"maxSurge": 1, "steps": STEPS, "judge": judge}})
    served.wait(lambda now: now["status"]["replicas"] == 2, "two replicas")
    counts = []

    def is_promoted(now: Json) -> bool:
        found = served.cluster.items("deployments", served.namespace, f"afina.dev/modeldeployment={served.name}")
        counts.append(sum(one["spec"]["replicas"] for one in found))
        return bool(now["status"]["stable"]["modelVersion"] == version and "canary" not in now["status"])

    with Load(f"{served.url}/predict", BODIES, PER_SECOND) as load:
        version = served.models.register(GOOD)
        served.wait(is_promoted, "the canary has all of the traffic")
    assert not load.failures()
    assert max(counts) == 3
    served.patch({"replicas": 1, "rollout": {"maxSurge": None}})
    served.wait(lambda now: now["status"]["replicas"] == 1, "one replica")
