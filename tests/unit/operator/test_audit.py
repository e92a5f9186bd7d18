"""The audit: what the watches miss is found, and a dead watch is proved dead; an unreachable server proves nothing."""

from dataclasses import dataclass, field

import pytest

from afina_operator.audit import Audit
from afina_operator.driver.handlers import watches
from afina_operator.errors import UnavailableError
from afina_operator.resources import JOBS, TUNING_JOBS, Json, Ref, Resource
from afina_operator.tuningjob.objects import KIND

WATCHES = watches([KIND])
JOB_WATCH = WATCHES[1]


@dataclass
class Cluster:
    """What there is, and an audit of it."""

    there: dict[str, int] = field(default_factory=dict)
    """Names of TuningJobs, and their versions."""
    now: float = 0.0
    enqueued: list[str] = field(default_factory=list)
    down: bool = False

    def __post_init__(self) -> None:
        self.audit = self.new_audit()

    def new_audit(self, *namespaces: str) -> Audit:
        return Audit(WATCHES, namespaces, self.list_metadata, self.enqueue, lambda: self.now)

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str) -> list[Json]:
        if self.down:
            raise UnavailableError("no answer")
        assert (resource, labels) in ((TUNING_JOBS, ""), (JOBS, "app.kubernetes.io/managed-by=afina"))
        if resource is not TUNING_JOBS or namespace not in (None, "lab"):
            return []
        return [tuning_job(*one)["metadata"] for one in self.there.items()]

    def enqueue(self, target: Ref) -> None:
        self.enqueued.append(target.name)

    def notice(self, name: str, *, gone: bool = False) -> None:
        self.audit.notice(WATCHES[0], tuning_job(name, self.there.get(name, 0)), gone)

    async def minute(self) -> None:
        self.now += 60
        await self.audit.once()


def tuning_job(name: str, version: int) -> Json:
    metadata = {"namespace": "lab", "name": name, "resourceVersion": str(version), "generation": version}
    return {"metadata": metadata, "spec": {}}


async def test_what_the_watch_brings_is_reconciled_and_found_fresh() -> None:
    cluster = Cluster({"a": 1})
    cluster.notice("a")
    await cluster.minute()
    await cluster.minute()
    assert cluster.enqueued == ["a"]
    assert cluster.audit.stale() == {}


async def test_what_the_watch_misses_is_reconciled_within_a_minute() -> None:
    cluster = Cluster({"a": 1})
    await cluster.minute()
    assert cluster.enqueued == ["a"]
    assert cluster.audit.stale() == {}, "it may have been on its way"


async def test_a_watch_that_brings_nothing_for_two_audits_is_stale_since_its_last_sign() -> None:
    cluster = Cluster({"a": 1})
    cluster.notice("a")
    await cluster.minute()
    cluster.there["a"] = 2
    await cluster.minute()
    await cluster.minute()
    assert cluster.audit.stale() == {"tuningjobs in all namespaces": 120.0}


async def test_a_watch_that_comes_back_is_not_stale() -> None:
    cluster = Cluster({"a": 1})
    await cluster.minute()
    await cluster.minute()
    assert cluster.audit.stale()
    cluster.notice("a")
    assert cluster.audit.stale() == {}


async def test_an_object_that_always_changes_is_no_proof() -> None:
    cluster = Cluster({"a": 1})
    for _ in range(5):
        cluster.notice("a")
        cluster.there["a"] += 1
        await cluster.minute()
    assert cluster.audit.stale() == {}


async def test_a_list_from_an_older_cache_is_no_proof() -> None:
    cluster = Cluster({"a": 12})
    cluster.notice("a")
    cluster.there["a"] = 9
    await cluster.minute()
    await cluster.minute()
    assert cluster.audit.stale() == {}


async def test_a_deletion_that_was_missed_is_a_proof_too() -> None:
    cluster = Cluster({"a": 1})
    cluster.notice("a")
    del cluster.there["a"]
    await cluster.minute()
    assert cluster.audit.stale() == {}
    await cluster.minute()
    assert cluster.audit.stale()


async def test_a_deletion_that_was_seen_is_forgotten() -> None:
    cluster = Cluster({"a": 1})
    cluster.notice("a")
    del cluster.there["a"]
    cluster.notice("a", gone=True)
    await cluster.minute()
    await cluster.minute()
    assert cluster.audit.stale() == {}
    assert cluster.enqueued == ["a", "a"]


async def test_an_unreachable_server_proves_nothing() -> None:
    cluster = Cluster({"a": 1})
    cluster.notice("a")
    cluster.down = True
    for _ in range(10):
        with pytest.raises(UnavailableError):
            await cluster.minute()
    assert cluster.audit.stale() == {}


async def test_the_driver_s_reports_wake_nobody() -> None:
    cluster = Cluster({"a": 1})
    cluster.notice("a")
    report = {**tuning_job("a", 1), "status": {"trials": {"total": 3}}}
    report["metadata"]["resourceVersion"] = "2"
    cluster.audit.notice(WATCHES[0], report, False)
    assert cluster.enqueued == ["a"]
    verdict = {**report, "status": {"trials": {"total": 3}, "startTime": "2026-01-01T00:00:00Z"}}
    cluster.audit.notice(WATCHES[0], verdict, False)
    assert cluster.enqueued == ["a", "a"]


async def test_a_job_concerns_the_tuning_job_that_its_label_names() -> None:
    cluster = Cluster()
    metadata = {"namespace": "lab", "name": "tj-a", "resourceVersion": "5", "labels": {"afina.dev/tuningjob": "a"}}
    cluster.audit.notice(JOB_WATCH, {"metadata": metadata}, False)
    cluster.audit.notice(JOB_WATCH, {"metadata": {**metadata, "name": "x", "labels": {}}}, False)
    assert cluster.enqueued == ["a"]


async def test_each_namespace_is_proved_by_itself() -> None:
    cluster = Cluster({"a": 1})
    cluster.audit = cluster.new_audit("lab", "other")
    await cluster.minute()
    await cluster.minute()
    assert list(cluster.audit.stale()) == ["tuningjobs in lab"]
