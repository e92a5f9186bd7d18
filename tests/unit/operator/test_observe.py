"""What is read of a TuningJob's children, and what is not."""

from typing import Any

import pytest

from afina_operator.driver.observe import Observed, observe
from afina_operator.resources import CONFIG_MAPS, PODS, RAY_CLUSTERS, Json, Ref, Resource
from afina_operator.tuningjob.objects import KIND
from world import kubernetes
from world.apiserver import ApiServer
from world.passes import run_now, run_pass
from world.subjects import NAMESPACE
from world.tuningjobs import SPEC, TARGET, TUNING_JOB

CODE = Ref(CONFIG_MAPS, NAMESPACE, "my-code")


class Asked(ApiServer):
    """An API server that remembers what it was asked."""

    asked: list[Ref]

    async def exists(self, target: Ref) -> bool:
        self.asked = [*getattr(self, "asked", []), target]
        return await super().exists(target)


def started(source: object) -> Asked:
    """A world with a TuningJob whose pod waits, and that has this source."""
    world = Asked()
    world.make(TUNING_JOB.applied(), "user")
    run_pass(TUNING_JOB.operator(), world, TARGET)
    kubernetes.run_job_controller(world)
    world.edit(TARGET, lambda job: {**job, "spec": SPEC | {"trial": SPEC["trial"] | {"source": source}}}, "user")
    return world


def look(world: ApiServer) -> Observed:
    return run_now(observe(KIND, world, world.objects[TARGET]))


def config_map() -> Json:
    metadata = {"name": CODE.name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_a_missing_source_is_told_while_the_pod_waits() -> None:
    world = started({"configMapRef": {"name": CODE.name}})
    assert "there is no ConfigMap 'my-code'" in look(world).missing
    world.make(config_map(), "user")
    assert look(world).missing == ""


def test_a_source_is_not_looked_for_while_the_driver_runs() -> None:
    world = started({"configMapRef": {"name": CODE.name}})
    kubernetes.start_pods(world)
    assert look(world).missing == ""
    assert not hasattr(world, "asked")


@pytest.mark.parametrize("name", ["../../secrets/x", "..", "a/b", "a?b", "", None, 3, ["x"]], ids=repr)
def test_a_name_that_is_none_is_never_asked_for(name: Any) -> None:
    world = started({"configMapRef": {"name": name}})
    assert look(world).missing == ""
    assert not hasattr(world, "asked")


def test_of_a_job_that_is_over_nothing_is_read() -> None:
    world = started(None)
    over = {**world.objects[TARGET], "status": {"completionTime": "2026-01-01T00:00:00Z"}}
    found = run_now(observe(KIND, world, over))
    assert (found.children, found.pods) == ({}, ())
    assert world.of(PODS)


@pytest.mark.parametrize("unknown", [frozenset(), frozenset({RAY_CLUSTERS})], ids=["KubeRay is there", "it is not"])
def test_kuberay_is_looked_for_where_workers_are_wanted(unknown: frozenset[Resource]) -> None:
    world = started(None)
    world.unknown = unknown
    assert not look(world).lacks_kuberay
    world.edit(TARGET, lambda job: {**job, "spec": SPEC | {"execution": {"workers": 1}}}, "user")
    assert look(world).lacks_kuberay == bool(unknown)
