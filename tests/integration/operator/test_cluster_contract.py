"""What the operator relies on of an API server, of the real one and of the simulated one alike.

The simulated world is worth as much as it resembles the real one: every behaviour that it models is tested on both.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from afina_operator.cluster import Cluster, HttpCluster
from afina_operator.credentials import Credentials
from afina_operator.driver.children import children
from afina_operator.errors import ConflictError, NotFoundError, RefusedError
from afina_operator.resources import CONFIG_MAPS, JOBS, PODS, RAY_CLUSTERS, TUNING_JOBS, Json, Ref, bound, dig
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import KIND
from support.specs import GOOD, changed
from world.apiserver import ApiServer

pytestmark = pytest.mark.integration

NAMESPACE = "default"


@pytest.fixture(params=["real", "simulated"])
async def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Either API server; `made` makes an object on it as a user would."""
    if request.param == "simulated":
        yield ApiServer()
        return
    kubeconfig: Path = request.getfixturevalue("apiserver")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    assert os.environ["KUBECONFIG"]
    client = HttpCluster(Credentials(), may_write=lambda: True)
    yield client
    await client.close()


def name() -> str:
    return f"contract-{uuid4().hex[:8]}"


async def a_tuning_job(cluster: Cluster) -> Json:
    return await cluster.create(changed(GOOD, {"metadata.name": name(), "metadata.namespace": NAMESPACE}))


async def a_config_map(cluster: Cluster, **metadata: Any) -> Json:
    named = {"name": name(), "namespace": NAMESPACE, **metadata}
    return await cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"a": "1"}})


async def a_child_job(cluster: Cluster) -> Json:
    owner = await a_tuning_job(cluster)
    return await cluster.create(children(KIND, owner, KIND.parse(owner, Settings()), Settings())[JOBS])


def a_status(job: Json, **status: Any) -> Json:
    metadata = {"name": job["metadata"]["name"], "namespace": NAMESPACE}
    return {"apiVersion": job["apiVersion"], "kind": job["kind"], "metadata": metadata, "status": status}


def target(obj: Json) -> Ref:
    kinds = {one.kind: one for one in (CONFIG_MAPS, JOBS, TUNING_JOBS, PODS)}
    return Ref(kinds[obj["kind"]], NAMESPACE, obj["metadata"]["name"])


def named(obj: Json, **content: Any) -> Json:
    metadata = {"name": obj["metadata"]["name"], "namespace": NAMESPACE}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, **content}


async def test_what_exists_is_not_made_again(cluster: Cluster) -> None:
    made = await a_config_map(cluster)
    with pytest.raises(ConflictError):
        await cluster.create(named(made, data={"a": "2"}))


async def test_an_apply_changes_what_it_names_and_keeps_the_rest(cluster: Cluster) -> None:
    made = await a_config_map(cluster, labels={"theirs": "1"})
    changed_map = named(made, data={"b": "2"})
    changed_map["metadata"]["labels"] = {"ours": "1"}
    found = await cluster.apply(bound(changed_map, made))
    assert found["data"] == {"a": "1", "b": "2"}
    assert found["metadata"]["labels"] == {"theirs": "1", "ours": "1"}


async def test_an_apply_onto_another_version_is_a_conflict(cluster: Cluster) -> None:
    made = await a_config_map(cluster)
    await cluster.apply(bound(named(made, data={"a": "2"}), made))
    with pytest.raises(ConflictError):
        await cluster.apply(bound(named(made, data={"a": "3"}), made))


async def test_an_apply_makes_nothing_anew(cluster: Cluster) -> None:
    made = await a_config_map(cluster)
    await cluster.delete(made)
    with pytest.raises(ConflictError):
        await cluster.apply(bound(named(made, data={"a": "2"}), made))
    assert await cluster.get(target(made)) is None


async def test_an_apply_that_changes_nothing_makes_no_new_version(cluster: Cluster) -> None:
    made = await a_config_map(cluster)
    first = await cluster.apply(bound(named(made, data={"a": "1"}), made))
    second = await cluster.apply(bound(named(made, data={"a": "1"}), first))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


async def test_an_object_has_one_controller_at_most(cluster: Cluster) -> None:
    def owner(uid: str) -> list[Json]:
        return [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": uid, "controller": True}]

    made = await a_config_map(cluster, ownerReferences=owner("u1"))
    taken = named(made, data={"a": "1"})
    taken["metadata"]["ownerReferences"] = owner("u2")
    with pytest.raises(RefusedError, match="nly one reference can have"):
        await cluster.apply(bound(taken, made))


async def test_a_status_is_bound_to_the_version_and_not_to_the_uid(cluster: Cluster) -> None:
    job = await a_tuning_job(cluster)
    wrong_uid = {**job, "metadata": {**job["metadata"], "uid": "another"}}
    after = await cluster.apply_status(bound(a_status(job, observedGeneration=1), wrong_uid))
    assert dig(after, "status", "observedGeneration") == 1
    with pytest.raises(ConflictError):
        await cluster.apply_status(bound(a_status(job, observedGeneration=2), job))


async def test_the_status_of_what_is_gone_is_not_found(cluster: Cluster) -> None:
    job = await a_tuning_job(cluster)
    await cluster.delete(job)
    with pytest.raises(NotFoundError):
        await cluster.apply_status(bound(a_status(job, observedGeneration=1), job))


async def test_what_an_apply_leaves_out_of_a_status_is_removed(cluster: Cluster) -> None:
    job = await a_tuning_job(cluster)
    first = a_status(job, observedGeneration=1, startTime="2026-01-01T00:00:00Z")
    after = await cluster.apply_status(bound(first, job))
    again = await cluster.apply_status(bound(a_status(job, observedGeneration=1), after))
    assert again["status"] == {"observedGeneration": 1}


async def test_a_status_is_no_new_generation(cluster: Cluster) -> None:
    job = await a_tuning_job(cluster)
    after = await cluster.apply_status(bound(a_status(job, observedGeneration=1), job))
    assert after["metadata"]["generation"] == job["metadata"]["generation"] == 1
    suspended = await cluster.patch(after, {"spec": {"suspend": True}})
    assert suspended["metadata"]["generation"] == 2


async def test_a_patch_is_bound_to_the_version(cluster: Cluster) -> None:
    job = await a_child_job(cluster)
    after = await cluster.patch(job, {"spec": {"suspend": True}})
    assert after["spec"]["suspend"] is True
    with pytest.raises(ConflictError):
        await cluster.patch(job, {"spec": {"suspend": False}})


async def test_a_patch_with_null_removes(cluster: Cluster) -> None:
    job = await a_child_job(cluster)
    bounded = await cluster.patch(job, {"spec": {"activeDeadlineSeconds": 900}})
    assert bounded["spec"]["activeDeadlineSeconds"] == 900
    free = await cluster.patch(bounded, {"spec": {"activeDeadlineSeconds": None}})
    assert "activeDeadlineSeconds" not in free["spec"]


async def test_a_patch_of_what_is_gone_is_not_found(cluster: Cluster) -> None:
    job = await a_child_job(cluster)
    await cluster.delete(job)
    with pytest.raises(NotFoundError):
        await cluster.patch(job, {"spec": {"suspend": True}})


async def test_a_job_s_template_is_immutable(cluster: Cluster) -> None:
    job = await a_child_job(cluster)
    with pytest.raises(RefusedError, match="immutable"):
        await cluster.patch(job, {"spec": {"template": {"spec": {"enableServiceLinks": True}}}})


async def test_a_deletion_is_bound_to_the_version(cluster: Cluster) -> None:
    made = await a_config_map(cluster)
    await cluster.apply(bound(named(made, data={"a": "2"}), made))
    with pytest.raises(ConflictError):
        await cluster.delete(made)
    assert await cluster.exists(target(made))


async def test_what_is_gone_cannot_be_deleted(cluster: Cluster) -> None:
    made = await a_config_map(cluster)
    await cluster.delete(made)
    with pytest.raises(NotFoundError):
        await cluster.delete(made)


async def test_objects_are_found_by_label(cluster: Cluster) -> None:
    value = name()
    made = await a_config_map(cluster, labels={"contract": value})
    await a_config_map(cluster)
    found = await cluster.find(CONFIG_MAPS, NAMESPACE, labels=f"contract={value}")
    assert [one["metadata"]["name"] for one in found] == [made["metadata"]["name"]]


async def test_what_is_not_there_is_none(cluster: Cluster) -> None:
    nothing = Ref(CONFIG_MAPS, NAMESPACE, "nothing")
    assert await cluster.get(nothing) is None
    assert await cluster.get_all([nothing]) == [None]
    assert not await cluster.exists(nothing)


async def test_a_kind_that_is_not_installed_is_not_known(cluster: Any) -> None:
    if isinstance(cluster, ApiServer):
        cluster.unknown = frozenset({RAY_CLUSTERS})
    assert await cluster.knows(TUNING_JOBS)
    assert not await cluster.knows(RAY_CLUSTERS)
    assert await cluster.get(Ref(RAY_CLUSTERS, NAMESPACE, name())) is None
