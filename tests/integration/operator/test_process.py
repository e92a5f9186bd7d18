"""The operator's process: a job's life, its own end, a second operator, and an API server that dies."""

import json
import signal
import time

import pytest

from afina_operator.lease import Timing
from support.lab import Lab, a_job, assert_quiet, eventually, wait_until_quiet

pytestmark = pytest.mark.integration

LEASE_SECONDS = Timing().duration
"""Before that nobody else takes the lease of an operator that died."""


def test_a_job_s_whole_life(lab: Lab) -> None:
    operator = lab.working_operator()
    lab.apply(a_job("wine"))
    lab.wait_for_job("wine")
    for kind in ("serviceaccount", "role", "rolebinding", "configmap", "pvc"):
        assert lab.get(kind, "tj-wine"), kind
    assert lab.wait_for_reason("wine", "Pending")["message"]
    assert_quiet(operator)
    lab.complete_job("wine")
    assert lab.wait_for_reason("wine", "MaxTrialsReached")["status"] == "True"
    done = lab.get("tj", "wine")
    assert done["status"]["completionTime"] >= done["status"]["startTime"]
    assert done["status"]["observedGeneration"] == done["metadata"]["generation"]
    assert "finalizers" not in done["metadata"]
    assert not [one for one in done["metadata"].get("annotations", {}) if "kopf" in one]
    assert_quiet(operator)
    reasons = [event["reason"] for event in lab.all("events")]
    assert sorted(reasons) == ["Started", "Succeeded"]


def test_suspension_and_growth_reach_the_job(lab: Lab) -> None:
    lab.working_operator()
    lab.apply(a_job("wine", spec__suspend=True))
    lab.wait_for_reason("wine", "Suspended")
    assert not lab.get("job", "tj-wine")
    lab.apply(a_job("wine", spec__budget__maxTrials=50, spec__budget__timeoutSeconds=600))
    lab.wait_for_job("wine")
    assert lab.get("job", "tj-wine")["spec"]["activeDeadlineSeconds"] == 900
    lab.apply(a_job("wine", spec__budget__maxTrials=60, spec__budget__timeoutSeconds=1200, spec__suspend=True))
    eventually("suspension", lambda: lab.get("job", "tj-wine")["spec"]["suspend"])
    eventually("the deadline", lambda: lab.get("job", "tj-wine")["spec"]["activeDeadlineSeconds"] == 1500)
    eventually("the spec", lambda: '"maxTrials":60' in lab.get("configmap", "tj-wine")["data"]["spec.json"])
    assert lab.wait_for_reason("wine", "Suspended")


def test_a_deleted_child_is_made_again(lab: Lab) -> None:
    lab.working_operator()
    lab.apply(a_job("wine"))
    lab.wait_for_job("wine")
    before = lab.get("job", "tj-wine")["metadata"]["uid"]
    lab.kubectl("delete", "job", "tj-wine", "--cascade=background")
    eventually("another Job", lambda: lab.get("job", "tj-wine").get("metadata", {}).get("uid", before) != before)


def test_jobs_of_one_name_in_two_namespaces_do_not_meet(lab: Lab) -> None:
    other = Lab(lab.plane, lab.api, f"{lab.namespace}-other", lab.folder)
    lab.plane.kubectl("create", "namespace", other.namespace)
    lab.working_operator(AFINA_WATCH_NAMESPACES=f"{lab.namespace},{other.namespace}")
    lab.apply(a_job("wine"))
    other.apply(a_job("wine", spec__budget__maxTrials=7))
    lab.wait_for_job("wine")
    other.wait_for_job("wine")
    lab.complete_job("wine")
    lab.wait_for_reason("wine", "MaxTrialsReached")
    assert other.wait_for_reason("wine", "Pending")


def test_an_operator_that_watches_everything_sees_new_namespaces(lab: Lab) -> None:
    lab.working_operator(AFINA_WATCH_NAMESPACES="")
    late = Lab(lab.plane, lab.api, f"{lab.namespace}-late", lab.folder)
    lab.plane.kubectl("create", "namespace", late.namespace)
    late.apply(a_job("wine"))
    late.wait_for_job("wine")


def test_a_job_deletes_itself_when_its_time_is_over(lab: Lab) -> None:
    lab.working_operator()
    lab.apply(a_job("wine", spec__ttlSecondsAfterFinished=1))
    lab.wait_for_job("wine")
    lab.complete_job("wine")
    eventually("its deletion", lambda: not lab.get("tj", "wine"))


def test_told_to_stop_it_gives_the_lease_back_and_ends_well(lab: Lab) -> None:
    first = lab.working_operator()
    assert first.stop() == 0
    assert lab.get("lease", "afina-operator")["spec"].get("holderIdentity", "") == ""
    started = time.monotonic()
    lab.working_operator()
    assert time.monotonic() - started < LEASE_SECONDS, "it had to wait for a lease that was given back"


def test_killed_and_started_again_in_its_pod_it_takes_its_lease_up(lab: Lab) -> None:
    lab.working_operator(AFINA_POD_UID="of-the-pod").kill()
    started = time.monotonic()
    lab.working_operator(AFINA_POD_UID="of-the-pod")
    assert time.monotonic() - started < LEASE_SECONDS, "it had to wait for the end of its own lease"


def test_the_second_operator_takes_over_when_the_first_is_killed(lab: Lab) -> None:
    first = lab.working_operator()
    second = lab.start_operator()
    lab.apply(a_job("before"))
    lab.wait_for_job("before")
    eventually("the second is alive", lambda: second.probe("/healthz") == 200)
    assert second.probe("/readyz") == 503, "it does not hold the lease"
    first.kill()
    lab.apply(a_job("after"))
    lab.wait_for_job("after")
    assert second.probe("/readyz") == 200
    assert {job["metadata"]["name"] for job in lab.all("jobs")} == {"tj-before", "tj-after"}
    assert_quiet(second)


def test_an_operator_that_wakes_up_after_its_successor_writes_nothing(lab: Lab) -> None:
    first = lab.working_operator()
    lab.apply(a_job("before"))
    lab.wait_for_job("before")
    second = lab.start_operator()
    first.send(signal.SIGSTOP)
    second.wait_until_working()
    lab.apply(a_job("meanwhile"))
    lab.wait_for_job("meanwhile")
    wait_until_quiet(second)
    before = {job["metadata"]["name"]: job["metadata"]["resourceVersion"] for job in lab.all("tj")}
    first.send(signal.SIGCONT)
    assert first.wait(30) == 1
    assert "the lease is lost" in first.log()
    time.sleep(1)
    after = {job["metadata"]["name"]: job["metadata"]["resourceVersion"] for job in lab.all("tj")}
    assert after == before
    assert len(lab.all("jobs")) == 2


def test_it_lives_through_the_api_server_s_death(lab: Lab) -> None:
    operator = lab.working_operator(audit=60)
    lab.apply(a_job("before"))
    lab.wait_for_job("before")
    for turn, outage in enumerate((0, 1, 12)):
        lab.plane.kill_apiserver()
        time.sleep(outage)
        assert operator.probe("/healthz") == 200, "that is not its fault"
        lab.plane.start_apiserver()
        lab.plane.wait_until_ready()
        lab.apply(a_job(f"after-{turn}"))
        lab.wait_for_job(f"after-{turn}")
    assert operator.is_alive()
    assert len(lab.all("jobs")) == 4
    eventually("it is ready", lambda: operator.probe("/readyz") == 200)
    assert_quiet(operator)


def test_it_waits_for_the_crds(lab: Lab) -> None:
    crd = lab.plane.kubectl("get", "crd", "tuningjobs.afina.dev", "-o", "json")
    lab.plane.kubectl("delete", "crd", "tuningjobs.afina.dev")
    try:
        operator = lab.start_operator()
        eventually("it says so", lambda: "CRDs of afina.dev are not installed" in operator.log())
    finally:
        eventually("the CRD", lambda: lab.plane.kubectl("apply", "--server-side", "-f", "-", stdin=_bare(crd)))
        lab.plane.kubectl("wait", "--for=condition=Established", "crd/tuningjobs.afina.dev", "--timeout=30s")
    eventually("it is served", lambda: lab.api.get("/apis/afina.dev/v1alpha1/tuningjobs").is_success)
    lab.apply(a_job("wine"))
    lab.wait_for_job("wine")


def _bare(crd: str) -> str:
    found = json.loads(crd)
    metadata = {"name": found["metadata"]["name"]}
    return json.dumps({**found, "metadata": metadata, "status": None})
