"""Rollouts in the simulated world: good and bad canaries, what people say, and crashes between any two writes."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import cache

import pytest

from afina_api.modeldeployment import ROLLOUT_VERBS
from afina_operator import metrics
from afina_operator.resources import AUTOSCALERS, DEPLOYMENTS, HTTP_ROUTES, PODS, SERVICES, Json, dig
from world.modeldeployments import ROUTE, SHADOW, SPEC, TARGET, Behaviour, Lab
from world.passes import Fault


def serving() -> Lab:
    """Version 1 is served."""
    lab = Lab()
    lab.apply()
    lab.live(lambda now: now.versions() == {"1": 100} and now.condition("Ready")[0] == "True")
    return lab


def trying(behaviour: Behaviour = Behaviour(), **spec: object) -> Lab:  # noqa: B008 - frozen
    """Version 2 is the canary at 10 %."""
    lab = serving()
    lab.behaviours["2"] = behaviour
    if spec:
        lab.apply(**spec)
    lab.models.champion = "2"
    lab.live(lambda now: now.versions() == {"1": 90, "2": 10}, requests=0)
    lab.work()
    return lab


def test_the_first_revision_gets_the_traffic_when_it_is_ready() -> None:
    lab = Lab()
    lab.behaviours["1"] = Behaviour(starts=False)
    lab.apply()
    lab.rest()
    assert not lab.weights()
    assert lab.condition("Ready") == ("False", "Starting")
    lab.behaviours.clear()
    lab.rest()
    assert lab.versions() == {"1": 100}
    assert lab.condition("Ready") == ("True", "Serving")


def test_a_first_revision_that_never_starts_may_be_replaced() -> None:
    lab = Lab()
    lab.behaviours["1"] = Behaviour(starts=False)
    lab.apply()
    lab.rest()
    lab.models.champion = "2"
    lab.rest()
    assert lab.versions() == {"2": 100}
    assert len(lab.world.of(DEPLOYMENTS)) == 1


def test_a_good_canary_gets_all_of_the_traffic_step_by_step() -> None:
    lab = trying()
    lab.live(lambda now: now.versions() == {"2": 100})
    by_share = [sorted(shares.values()) for shares in lab.routes]
    assert by_share == [[100], [0, 100], [10, 90], [50, 50], [100]]
    lab.rest()
    assert lab.condition("Progressing") == ("False", "Stable")
    assert len(lab.world.of(DEPLOYMENTS)) == 1
    assert len(lab.world.of(SERVICES)) == 1


BAD = {
    "fails": (Behaviour(error_share=0.3), "JudgeFailed", "errors"),
    "is slow": (Behaviour(slowness=25), "JudgeFailed", "latency"),
}


@pytest.mark.parametrize(("behaviour", "reason", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_canary_is_rolled_back_before_the_next_step(behaviour: Behaviour, reason: str, words: str) -> None:
    lab = trying(behaviour)
    lab.live(lambda now: now.versions() == {"1": 100})
    lab.rest()
    assert [50, 50] not in [sorted(shares.values()) for shares in lab.routes]
    assert lab.condition("RolledBack") == ("True", reason)
    assert words in lab.status()["rejected"]["message"]
    assert lab.condition("Ready")[0] == "True"
    assert len(lab.world.of(DEPLOYMENTS)) == 1
    lab.live(lambda now: now.world.now.minute > 5)
    assert lab.versions() == {"1": 100}, "it is not tried again by itself"


@pytest.mark.parametrize(("uncertainty", "end"), [(0.25, {"2": 100}), (0.5, {"1": 100})])
def test_a_canary_that_is_less_sure_is_rolled_back(uncertainty: float, end: dict[str, int]) -> None:
    lab = trying(
        Behaviour(uncertainty=uncertainty), rollout={**SPEC["rollout"], "judge": {"maxUncertaintyIncrease": 0.2}}
    )
    lab.live(lambda now: now.versions() == end)
    assert ("uncertainty: 0.5 on average of" in lab.message("RolledBack")) == ("1" in end)


COMPLAINTS = {
    "name": "complaints",
    "hits": 'sum(complaints_total{revision="{{revision}}"})',
    "total": 'sum(answers_total{revision="{{revision}}"})',
    "maxIncrease": 0.05,
}
JUDGED_BY_COMPLAINTS = {**SPEC["rollout"], "judge": {"metrics": [COMPLAINTS]}}


@pytest.mark.parametrize(("complaints", "end"), [(0.0, {"2": 100}), (0.2, {"1": 100})])
def test_a_canary_that_others_complain_about_is_rolled_back(complaints: float, end: dict[str, int]) -> None:
    lab = trying(Behaviour(complaints=complaints), rollout=JUDGED_BY_COMPLAINTS)
    lab.live(lambda now: now.versions() == end)
    assert ("complaints: 20 % of" in lab.message("RolledBack")) == ("1" in end)


def test_a_canary_that_nobody_tells_of_is_never_promoted() -> None:
    lab = trying(rollout=JUDGED_BY_COMPLAINTS)
    lab.silence = "complaints: Prometheus does not answer"
    for _ in range(100):
        lab.live(lambda _now: True)
        lab.traffic(400)
    assert lab.versions() == {"1": 90, "2": 10}
    assert lab.condition("Inconclusive") == ("True", "MetricsUnread")
    assert lab.message("Inconclusive") == (
        "no complaints of canary and complaints of stable in the last look: complaints: Prometheus does not answer"
    )
    lab.silence = ""
    lab.live(lambda now: now.versions() == {"2": 100})


def test_a_canary_that_fails_goes_whether_or_not_others_are_told_of_it() -> None:
    lab = trying(Behaviour(error_share=0.3), rollout=JUDGED_BY_COMPLAINTS)
    lab.silence = "complaints: Prometheus does not answer"
    lab.live(lambda now: now.condition("RolledBack") == ("True", "JudgeFailed"))


def test_what_is_told_late_counts_without_requests() -> None:
    lab = trying(rollout=JUDGED_BY_COMPLAINTS)
    lab.traffic(400)
    lab.work()
    for revision in lab.weights():
        lab.complaints[revision].update(total=400, hits=200 * (revision == lab.status()["canary"]["revision"]))
    lab.live(lambda now: now.condition("RolledBack") == ("True", "JudgeFailed"), requests=0)
    assert "complaints" in lab.message("RolledBack")


def test_a_canary_that_crashes_gets_no_traffic() -> None:
    lab = serving()
    lab.behaviours["2"] = Behaviour(crashes=True)
    lab.models.champion = "2"
    lab.rest()
    assert lab.routes[-1] == lab.routes[0]
    assert lab.condition("RolledBack") == ("True", "CrashLoop")
    assert "a file was changed" in lab.status()["rejected"]["message"]


def test_a_canary_that_never_gets_ready_is_given_up() -> None:
    lab = serving()
    lab.behaviours["2"] = Behaviour(starts=False)
    lab.models.champion = "2"
    lab.live(lambda now: now.condition("RolledBack") == ("True", "ProgressDeadlineExceeded"))
    assert lab.versions() == {"1": 100}


def test_a_canary_that_starts_says_what_it_waits_for() -> None:
    lab = serving()
    lab.apply(rollout={"steps": [{"gate": {}}]})
    lab.behaviours["2"] = Behaviour(starts=False)
    lab.models.champion = "2"
    lab.rest()
    assert lab.condition("Progressing") == ("True", "CanaryStarting")
    assert lab.message("Progressing") == "Unschedulable: no room"
    lab.behaviours.clear()
    lab.rest()
    assert lab.condition("Progressing") == ("False", "GateClosed")


def test_a_canary_that_gets_no_more_pods_says_why() -> None:
    lab = trying(replicas=4, rollout={"steps": [{"setWeight": 10}, {"setWeight": 50}], "maxSurge": 1})
    lab.behaviours["2"] = Behaviour(room=1)
    lab.rest()
    assert lab.condition("Progressing") == ("True", "InStep")
    assert lab.message("Progressing") == "loans version 2 is at step 2 of 2: Unschedulable: no room"
    lab.behaviours.clear()
    lab.rest()
    assert lab.versions() == {"2": 100}


def test_a_canary_whose_pods_all_go_is_rolled_back() -> None:
    lab = trying()
    lab.behaviours["2"] = Behaviour(starts=False)
    lab.live(lambda now: now.condition("RolledBack") == ("True", "CanaryNotReady"), requests=0)
    lab.rest()
    assert lab.versions() == {"1": 100}


def test_other_limits_begin_other_evidence() -> None:
    lab = trying(Behaviour(error_share=0.05))
    lab.apply(rollout={**SPEC["rollout"], "judge": {"maxErrorShareIncrease": 0.2}})
    lab.live(
        lambda now: "rollout" in now.status() and "allowed: 0 % + 20 %" in str(now.status()["rollout"]["evidence"])
    )
    lab.apply(rollout={**SPEC["rollout"], "judge": {"maxErrorShareIncrease": 0.3}})
    lab.work()
    lab.traffic(200)
    lab.work()
    assert " of 20 canary requests" in str(lab.status()["rollout"]["evidence"])


def test_without_traffic_nothing_is_decided() -> None:
    lab = trying()
    for _ in range(300):
        lab.work()
        lab.nature()
        lab.world.wait(10)
    assert lab.versions() == {"1": 90, "2": 10}
    assert lab.condition("Inconclusive") == ("True", "TooFewSamples")


def test_an_operator_that_forgets_its_readings_comes_to_the_same_end() -> None:
    lab = trying(Behaviour(error_share=0.3))
    lab.traffic(200)
    lab.work()
    lab.restart_operator()
    lab.live(lambda now: now.versions() == {"1": 100})
    assert lab.condition("RolledBack") == ("True", "JudgeFailed")


def test_another_version_in_the_midst_of_a_rollout_begins_anew() -> None:
    lab = trying()
    lab.models.champion = "3"
    lab.live(lambda now: now.versions() == {"3": 100})
    assert {50} not in [set(shares.values()) for shares in lab.routes[:3]]
    lab.rest()
    assert len(lab.world.of(DEPLOYMENTS)) == 1


def test_going_back_ends_the_rollout() -> None:
    lab = trying()
    lab.models.champion = "1"
    lab.rest()
    assert lab.versions() == {"1": 100}
    assert "canary" not in lab.status()
    assert len(lab.world.of(DEPLOYMENTS)) == 1


def test_going_back_within_the_window_takes_no_steps() -> None:
    lab = trying(rollout={**SPEC["rollout"], "rollbackWindow": 1})
    lab.live(lambda now: now.versions() == {"2": 100})
    lab.rest()
    before = len(lab.routes)
    lab.models.champion = "1"
    lab.live(lambda now: now.versions() == {"1": 100}, requests=0)
    assert [sorted(shares.values()) for shares in lab.routes[before:]] == [[0, 100], [100]]
    lab.models.champion = "3"
    lab.live(lambda now: now.versions() == {"1": 90, "3": 10}, requests=0)


def test_going_back_further_takes_all_steps() -> None:
    lab = trying(rollout={**SPEC["rollout"], "rollbackWindow": 1})
    for version in ("2", "3"):
        lab.models.champion = version
        lab.live(lambda now: now.versions() == {version: 100})  # noqa: B023
    lab.models.champion = "1"
    lab.live(lambda now: now.versions() == {"3": 90, "1": 10}, requests=0)
    assert len(lab.status()["previous"]) == 2


def test_a_registry_that_does_not_answer_changes_nothing() -> None:
    lab = serving()
    lab.models.champion = None
    lab.rest()
    assert lab.versions() == {"1": 100}
    assert lab.condition("Ready")[0] == "True"
    assert lab.condition("Progressing") == ("False", "ModelUnavailable")


def test_a_model_in_s3_is_another_revision_when_its_digest_is_another() -> None:
    lab = Lab()
    lab.models.champion = None
    for digit in "12":
        lab.apply(model={"uri": "s3://models/loans", "digest": "sha256:" + digit * 64})
        lab.live(lambda now: now.versions() == {digit * 12: 100})  # noqa: B023
    assert lab.status()["stable"]["digest"] == "sha256:" + "2" * 64
    assert lab.status()["stable"]["modelName"] == "loans"


def test_a_spec_that_cannot_be_read_changes_nothing() -> None:
    lab = trying()
    lab.apply(replicas=-1)
    before = lab.weights()
    lab.work()
    lab.work()
    assert lab.weights() == before
    assert lab.condition("Progressing") == ("False", "InvalidSpec")
    assert lab.condition("Ready")[0] == "True"


def test_testers_reach_the_canary_by_a_header_whatever_its_weight() -> None:
    header = {"name": "X-Canary", "value": "always"}
    steps = [{"setWeight": 0}, {"gate": {}}]
    lab = serving()
    lab.apply(rollout={"steps": steps, "headerMatch": header})
    lab.models.champion = "2"
    lab.rest()
    weighted, tests = lab.world.objects[ROUTE]["spec"]["rules"]
    assert lab.versions() == {"1": 100, "2": 0}
    assert tests["matches"][0]["headers"] == [{"type": "Exact", **header}]
    (backend,) = tests["backendRefs"]
    assert (backend["name"], backend["weight"]) == (weighted["backendRefs"][1]["name"], 100)
    _said(lab, "abort")
    assert len(lab.world.objects[ROUTE]["spec"]["rules"]) == 1


def bound_for(lab: Lab, **headers: str) -> str:
    """The version that a request with headers surely goes to; nothing where it may go to several."""
    rules = lab.world.objects[ROUTE]["spec"]["rules"]

    def fits(match: Json) -> bool:
        wanted = match.get("headers", [])
        return all(re.search(one["value"], headers.get(one["name"], "")) for one in wanted)

    # That with the most headers; of equal ones, the first.
    rule = max(
        (one for one in rules if fits(one["matches"][0])), key=lambda one: len(one["matches"][0].get("headers", []))
    )
    names = [backend["name"] for backend in rule["backendRefs"] if backend["weight"]]
    versions = {one["revision"]: one["modelVersion"] for one in (lab.status()["stable"], lab.status()["canary"])}
    return versions[names[0].removesuffix("-base")] if len(names) == 1 else ""


@pytest.mark.parametrize("baseline", ["Stable", "Fresh"])
@pytest.mark.parametrize(
    ("affinity", "headers"),
    [
        ({"cookie": "my.bucket"}, lambda bucket: {"Cookie": f"a=1; my.bucket={bucket}; b=22"}),
        ({"cookie": "my.bucket"}, lambda bucket: {"Cookie": f"my.bucket={bucket}"}),
        ({"header": "X-Bucket"}, lambda bucket: {"X-Bucket": bucket}),
    ],
)
def test_clients_come_to_the_canary_and_none_goes_back(
    affinity: Json, headers: Callable[[str], dict[str, str]], baseline: str
) -> None:
    buckets = [f"{number:02}" for number in range(100)]
    before: set[str] = set()
    for weight in (1, 9, 10, 37, 50, 99):
        lab = serving()
        steps = [{"setWeight": weight}, {"gate": {}}]
        lab.apply(rollout={"affinity": affinity, "steps": steps, "baseline": baseline})
        lab.models.champion = "2"
        lab.live(lambda now: now.versions() == {"1": 100 - weight, "2": weight}, requests=0)  # noqa: B023
        trying_it = {bucket for bucket in buckets if bound_for(lab, **headers(bucket)) == "2"}
        assert len(trying_it) == weight
        assert all(bound_for(lab, **headers(bucket)) == "1" for bucket in buckets if bucket not in trying_it)
        assert trying_it > before
        before = trying_it
        assert not bound_for(lab), "who has no bucket goes by the weights"
        assert not bound_for(lab, **headers("7")), "that is no bucket"
    _said(lab, "abort")
    assert len(lab.world.objects[ROUTE]["spec"]["rules"]) == 1


def test_a_bucket_of_another_cookie_is_none() -> None:
    lab = serving()
    lab.apply(rollout={"affinity": {"cookie": "my.bucket"}, "steps": [{"setWeight": 50}, {"gate": {}}]})
    lab.models.champion = "2"
    lab.live(lambda now: now.versions() == {"1": 50, "2": 50}, requests=0)
    for other in ("not-my.bucket=10", "myxbucket=10", "my.bucket=100", "a=my.bucket=10"):
        assert not bound_for(lab, Cookie=other)


FRESH = {**SPEC["rollout"], "baseline": "Fresh"}


def by_share(lab: Lab) -> list[list[int]]:
    """All weights that the route had, the least first."""
    return [sorted(shares.values()) for shares in lab.routes]


def fresh_name(lab: Lab) -> str:
    """Of the new pods of the stable revision."""
    return f"{lab.status()['stable']['revision']}-base"


def test_a_canary_is_compared_with_new_pods() -> None:
    lab = serving()
    # New pods are slow, those that have run for long are not.
    lab.behaviours |= {fresh_name(lab): Behaviour(slowness=25), "2": Behaviour(slowness=25)}
    lab.apply(rollout=FRESH)
    lab.models.champion = "2"
    lab.live(lambda now: now.versions() == {"2": 100})
    assert by_share(lab) == [[100], [0, 0, 100], [10, 10, 80], [0, 50, 50], [50, 50], [100]]
    lab.rest()
    assert len(lab.world.of(DEPLOYMENTS)) == len(lab.world.of(SERVICES)) == 1


@pytest.mark.parametrize(("behaviour", "reason", "words"), BAD.values(), ids=BAD.keys())
def test_a_canary_that_is_worse_than_new_pods_goes_and_they_go_too(
    behaviour: Behaviour, reason: str, words: str
) -> None:
    lab = trying(behaviour, rollout=FRESH)
    assert len(lab.world.of(DEPLOYMENTS)) == 3
    lab.live(lambda now: now.condition("RolledBack") == ("True", reason))
    lab.rest()
    assert words in lab.status()["rejected"]["message"]
    assert (lab.versions(), by_share(lab)[-2:]) == ({"1": 100}, [[10, 10, 80], [100]])
    assert len(lab.world.of(DEPLOYMENTS)) == len(lab.world.of(SERVICES)) == 1


def test_no_request_reaches_a_canary_without_what_it_is_compared_with() -> None:
    lab = serving()
    lab.behaviours[fresh_name(lab)] = Behaviour(starts=False)
    lab.apply(rollout=FRESH)
    lab.models.champion = "2"
    lab.rest()
    assert lab.condition("Progressing") == ("True", "CanaryStarting")
    assert lab.message("Progressing") == "Unschedulable: no room"
    lab.live(lambda now: now.condition("RolledBack") == ("True", "ProgressDeadlineExceeded"))
    assert by_share(lab) == [[100]]


def test_new_pods_that_go_give_their_share_back_and_nothing_passes_without_them() -> None:
    lab = trying(rollout=FRESH)
    lab.behaviours[fresh_name(lab)] = Behaviour(starts=False)
    for _ in range(20):
        lab.live(lambda _now: True)
        lab.traffic(400)
    assert (lab.versions(), by_share(lab)[-1]) == ({"1": 90, "2": 10}, [10, 90])
    lab.behaviours.clear()
    lab.live(lambda now: now.versions() == {"2": 100})


def test_what_others_count_of_new_pods_is_compared() -> None:
    lab = trying(rollout={**JUDGED_BY_COMPLAINTS, "baseline": "Fresh"})
    lab.live(lambda now: now.versions() == {"2": 100})
    assert lab.complaints[f"{next(iter(lab.complaints))}-base"]["total"] > 0


def test_a_shadow_is_compared_with_those_that_are_asked() -> None:
    lab = shown(Behaviour())
    lab.apply(rollout={"steps": STEPS_WITH_SHADOW, "baseline": "Fresh"})
    lab.live(lambda now: now.versions() == {"2": 100})
    assert [0, 50, 50] in by_share(lab)


def test_what_stable_pods_counted_before_they_were_compared_is_left_out() -> None:
    lab = serving()
    lab.traffic(100_000)
    lab.apply(rollout={"steps": [{"setWeight": 10}, {"shadow": {"minSamples": 10_000}}], "baseline": "Fresh"})
    lab.models.champion = "2"
    lab.live(lambda now: SHADOW in now.world.objects and " of 160 stable ones" in str(now.status()["rollout"]))


def test_more_than_half_leaves_the_rest_to_new_pods() -> None:
    lab = trying(rollout={"steps": [{"setWeight": 10}, {"setWeight": 80}, {"gate": {}}], "baseline": "Fresh"})
    lab.rest()
    assert by_share(lab)[-1] == [0, 20, 80]
    lab.say("abort")
    lab.work()
    assert (lab.versions(), len(lab.world.of(DEPLOYMENTS))) == ({"1": 100}, 3)


def test_promoted_at_once_a_canary_waits_for_nobody() -> None:
    lab = serving()
    lab.behaviours[fresh_name(lab)] = Behaviour(starts=False)
    lab.apply(rollout=FRESH)
    lab.models.champion = "2"
    lab.rest()
    lab.say("promote")
    lab.rest()
    assert lab.versions() == {"2": 100}


def test_a_status_that_is_lost_takes_new_pods_for_the_stable_revision() -> None:
    lab = trying(rollout={"steps": [{"setWeight": 10}, {"setWeight": 50}, {"gate": {}}], "baseline": "Fresh"})
    lab.rest()
    stable = lab.status()["stable"]
    lab.world.edit(TARGET, lambda obj: {key: value for key, value in obj.items() if key != "status"}, "user")
    lab.work()
    assert lab.status()["stable"] == stable


STEPS_WITH_SHADOW = [{"shadow": {"minSamples": 300}}, {"setWeight": 50}, {"analysis": {}}]


def shown(behaviour: Behaviour, **judge: object) -> Lab:
    """Version 2 is shown copies of requests."""
    lab = serving()
    lab.behaviours["2"] = behaviour
    lab.apply(rollout={"steps": STEPS_WITH_SHADOW, "judge": {"maxChangedAnswers": 0.1, **judge}})
    lab.models.champion = "2"
    lab.live(lambda now: SHADOW in now.world.objects and now.versions() == {"1": 100, "2": 0}, requests=0)
    return lab


def test_a_shadow_is_passed_before_it_gets_a_request() -> None:
    lab = shown(Behaviour(changed=0.02))
    lab.live(lambda now: now.versions() == {"1": 50, "2": 50})
    assert SHADOW not in lab.world.objects
    lab.live(lambda now: now.versions() == {"2": 100})
    assert [sorted(shares.values()) for shares in lab.routes] == [[100], [0, 100], [50, 50], [100]]


def test_of_a_shadow_nobody_else_can_tell_anything() -> None:
    lab = shown(Behaviour(complaints=0.2), metrics=[COMPLAINTS])
    lab.live(lambda now: now.versions() == {"1": 50, "2": 50})
    lab.live(lambda now: now.condition("RolledBack") == ("True", "JudgeFailed"))


def test_a_shadow_without_copies_waits() -> None:
    lab = shown(Behaviour())
    for _ in range(5):
        lab.live(lambda _now: True, requests=0)
    assert lab.condition("Inconclusive") == ("True", "TooFewSamples")
    assert SHADOW in lab.world.objects


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(Behaviour(changed=0.5), "answers: 50 %"), (Behaviour(error_share=0.3), "errors"), (BAD["is slow"][0], "latency")],
    ids=["answers otherwise", "fails", "is slow"],
)
def test_a_bad_shadow_goes_without_a_request(behaviour: Behaviour, words: str) -> None:
    lab = shown(behaviour)
    lab.live(lambda now: now.condition("RolledBack") == ("True", "JudgeFailed"))
    lab.rest()
    assert words in lab.status()["rejected"]["message"]
    assert max(shares.get(lab.status()["rejected"]["revision"], 0) for shares in lab.routes) == 0
    assert SHADOW not in lab.world.objects


def test_an_autoscaler_may_scale_in_a_rollout() -> None:
    lab = trying()
    lab.apply(replicas=5)
    lab.rest()
    assert [one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)] == [5, 5]
    assert lab.status()["replicas"] == 10
    lab.live(lambda now: now.versions() == {"2": 100})


AUTOSCALING = {"minReplicas": 2, "maxReplicas": 9, "targetCPUUtilizationPercentage": 50}

# With a load in percent of a pod's processors.
SCALED: dict[str, tuple[list[dict[str, int]], Behaviour, int]] = {
    "a canary that does not start": ([], Behaviour(starts=False), 200),
    "a canary without requests": ([{"setWeight": 0}], Behaviour(), 200),
    "a canary with some requests": ([{"setWeight": 10}], Behaviour(), 150),
    "a canary with all requests": ([{"setWeight": 100}], Behaviour(), 200),
}


@pytest.mark.parametrize(("steps", "behaviour", "load"), SCALED.values(), ids=SCALED.keys())
def test_an_autoscaler_finds_the_replicas_that_bear_the_load(
    steps: list[dict[str, int]], behaviour: Behaviour, load: int
) -> None:
    lab = serving()
    lab.apply(autoscaling=AUTOSCALING, rollout={"steps": [*steps, {"gate": {}}]})
    lab.rest()
    lab.behaviours["2"] = behaviour
    lab.models.champion = "2"
    lab.rest()
    lab.autoscale(load)
    lab.rest()
    assert {one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)} == {load // 50}
    assert lab.status()["replicas"] == len(lab.selected())


def test_an_autoscaler_comes_and_goes_with_its_field() -> None:
    lab = serving()
    lab.apply(autoscaling=AUTOSCALING)
    lab.rest()
    (scaler,) = lab.world.of(AUTOSCALERS)
    assert scaler["spec"]["scaleTargetRef"]["name"] == TARGET.name
    lab.apply(autoscaling=AUTOSCALING | {"maxReplicas": 5})
    lab.rest()
    lab.autoscale(1000)
    lab.apply(autoscaling=None)
    lab.rest()
    assert not lab.world.of(AUTOSCALERS)
    assert [one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)] == [5], "what the load needed stays"


def test_the_bounds_of_an_autoscaler_hold_before_it_acts() -> None:
    lab = serving()
    lab.apply(replicas=1, autoscaling=AUTOSCALING | {"minReplicas": 3})
    lab.rest()
    assert [one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)] == [3]


def test_scaling_takes_no_traffic_from_a_canary() -> None:
    lab = trying()
    lab.apply(replicas=5)
    lab.work()
    lab.work()  # the Deployment controller has not seen the change yet
    assert lab.versions() == {"1": 90, "2": 10}
    assert lab.condition("Ready") == ("True", "Serving")


@pytest.mark.parametrize("surge", [1, 2])
@pytest.mark.parametrize("replicas", [1, 3, 4])
def test_a_rollout_has_no_more_pods_than_its_surge_allows(replicas: int, surge: int) -> None:
    lab = serving()
    lab.apply(replicas=replicas, rollout={**SPEC["rollout"], "maxSurge": surge})
    lab.rest()
    lab.models.champion, counts = "2", []

    def is_promoted(now: Lab) -> bool:
        counts.append(len(now.world.of(PODS)))
        return now.versions() == {"2": 100} and now.condition("Progressing") == ("False", "Stable")

    lab.live(is_promoted)
    lab.rest()
    assert max(counts) <= replicas + surge
    assert [one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)] == [replicas]


def test_an_abort_waits_for_no_pod() -> None:
    lab = trying(replicas=4, rollout={"steps": [{"setWeight": 10}, {"setWeight": 50}, {"gate": {}}], "maxSurge": 1})
    lab.rest()
    assert lab.versions() == {"1": 50, "2": 50}
    assert [one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)] == [2, 2]
    lab.say("abort")
    lab.work()
    assert lab.versions() == {"1": 100}
    lab.rest()
    assert [one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)] == [4]


def test_what_somebody_changes_by_hand_is_set_right() -> None:
    lab = trying()
    (deployment, *_) = lab.world.of(DEPLOYMENTS)
    target = next(one for one in lab.world.objects if one.resource is DEPLOYMENTS)
    lab.world.edit(target, lambda obj: {**obj, "spec": obj["spec"] | {"replicas": 7}}, "user")
    lab.world.edit(ROUTE, lambda obj: {**obj, "spec": {"rules": []}}, "user")
    lab.rest()
    assert {one["spec"]["replicas"] for one in lab.world.of(DEPLOYMENTS)} == {deployment["spec"]["replicas"]}
    assert sum(lab.weights().values()) == 100


def test_a_status_that_is_lost_gives_no_canary_the_traffic() -> None:
    lab = trying()
    lab.world.edit(TARGET, lambda obj: {key: value for key, value in obj.items() if key != "status"}, "user")
    lab.work()
    assert lab.versions() == {"1": 90, "2": 10}
    assert lab.status()["rollout"]["step"] == 0
    lab.live(lambda now: now.versions() == {"2": 100})
    assert [50, 50] in [sorted(shares.values()) for shares in lab.routes]


# What the operator's metrics say.

COUNTED: dict[str, tuple[Behaviour, Callable[[Lab], None], str]] = {
    "promoted": (Behaviour(), lambda lab: lab.live(lambda now: now.versions() == {"2": 100}), "Promoted"),
    "failed by the judge": (
        Behaviour(error_share=0.3),
        lambda lab: lab.live(lambda now: now.versions() == {"1": 100}),
        "JudgeFailed",
    ),
    "aborted": (Behaviour(), lambda lab: lab.say("abort"), "Aborted"),
    "another model in the midst": (Behaviour(), lambda lab: setattr(lab.models, "champion", "3"), "Superseded"),
    "the old model again": (Behaviour(), lambda lab: setattr(lab.models, "champion", "1"), "Superseded"),
}


@pytest.mark.parametrize(("behaviour", "end", "result"), COUNTED.values(), ids=COUNTED.keys())
def test_a_rollout_is_counted_once_by_its_result(behaviour: Behaviour, end: Callable[[Lab], None], result: str) -> None:
    lab = trying(behaviour)
    before = _ended()
    end(lab)
    lab.rest()
    assert _ended() - before == {result: 1}


def test_a_rollout_is_counted_from_its_beginning_to_its_end() -> None:
    lab = trying()
    began, before = datetime.fromisoformat(lab.status()["rollout"]["startTime"]), _ended("sum")
    lab.live(lambda now: now.versions() == {"2": 100})
    assert _ended("sum") - before == {"Promoted": (lab.world.now - began).total_seconds()}


def test_a_rollout_whose_end_is_not_recorded_is_not_counted() -> None:
    lab = trying()
    before = _ended()
    lab.say("abort")
    lab.work(Fault(0, meanwhile=lambda world: world.edit(TARGET, _touched, "user")))
    assert _ended() == before
    lab.rest()
    assert _ended() - before == {"Aborted": 1}


def _touched(obj: Json) -> Json:
    return {**obj, "metadata": {**obj["metadata"], "labels": {"touched": "true"}}}


def _ended(what: str = "count") -> Counter[str]:
    """The rollouts that ended, or the sum of their seconds, by result."""
    samples = [one for family in metrics.ROLLOUT_SECONDS.collect() for one in family.samples]
    return Counter({one.labels["result"]: int(one.value) for one in samples if one.name.endswith(f"_{what}")})


# What people say.

STATES: dict[str, Callable[[], Lab]] = {
    "stable": serving,
    "canary": trying,
    "paused": lambda: _said(trying(), "pause"),
    "gate": lambda: trying(rollout={"steps": [{"setWeight": 10}, {"gate": {}}, {"pauseSeconds": 600}]}),
    "rejected": lambda: _said(trying(), "abort"),
}


def _said(lab: Lab, text: str) -> Lab:
    lab.say(text)
    lab.rest()
    return lab


# By state: the weights after the verb has been said, and a word of the outcome.
OUTCOMES: dict[tuple[str, str], tuple[dict[str, int], str]] = {
    **{("stable", verb): ({"1": 100}, "nothing was done") for verb in ROLLOUT_VERBS},
    ("canary", "promote"): ({"2": 100}, "all of the traffic"),
    ("canary", "abort"): ({"1": 100}, "rolled back"),
    ("canary", "pause"): ({"1": 90, "2": 10}, "no step"),
    ("canary", "resume"): ({"1": 90, "2": 10}, "goes on"),
    ("canary", "approve"): ({"1": 90, "2": 10}, "none after it is one: nothing was done"),
    ("canary", "skip"): ({"1": 50, "2": 50}, "skipped"),
    ("canary", "retry"): ({"1": 90, "2": 10}, "nothing was done"),
    ("paused", "promote"): ({"2": 100}, "all of the traffic"),
    ("paused", "abort"): ({"1": 100}, "rolled back"),
    ("paused", "pause"): ({"1": 90, "2": 10}, "no step"),
    ("paused", "resume"): ({"1": 90, "2": 10}, "goes on"),
    ("paused", "approve"): ({"1": 90, "2": 10}, "none after it is one: nothing was done"),
    ("paused", "skip"): ({"1": 50, "2": 50}, "skipped"),
    ("paused", "retry"): ({"1": 90, "2": 10}, "nothing was done"),
    ("gate", "promote"): ({"2": 100}, "all of the traffic"),
    ("gate", "abort"): ({"1": 100}, "rolled back"),
    ("gate", "pause"): ({"1": 90, "2": 10}, "no step"),
    ("gate", "resume"): ({"1": 90, "2": 10}, "goes on"),
    ("gate", "approve"): ({"1": 90, "2": 10}, "approved"),
    ("gate", "skip"): ({"1": 90, "2": 10}, "skipped"),
    ("gate", "retry"): ({"1": 90, "2": 10}, "nothing was done"),
    **{("rejected", verb): ({"1": 100}, "nothing was done") for verb in ROLLOUT_VERBS},
    ("rejected", "retry"): ({"1": 90, "2": 10}, "tried again"),
}


def test_every_state_and_verb_has_an_outcome() -> None:
    assert set(OUTCOMES) == {(state, verb) for state in STATES for verb in ROLLOUT_VERBS}


@pytest.mark.parametrize(("state", "verb"), OUTCOMES, ids=[" ".join(key) for key in OUTCOMES])
def test_what_is_said_has_its_outcome(state: str, verb: str) -> None:
    shares, words = OUTCOMES[state, verb]
    lab = STATES[state]()
    _said(lab, f"{verb} by=a-test")
    assert lab.versions() == shares
    assert words in lab.status()["command"]["outcome"]
    assert lab.status()["command"]["obeyed"] == ("nothing was done" not in words)


def test_a_gate_opens_for_who_approves() -> None:
    lab = STATES["gate"]()
    lab.rest()
    assert lab.condition("Progressing") == ("False", "GateClosed")
    _said(lab, "approve")
    assert lab.status()["rollout"]["step"] == 2


def test_who_approves_too_early_is_told_where_the_gate_is() -> None:
    lab = trying(rollout={"steps": [{"setWeight": 10}, {"pauseSeconds": 600}, {"gate": {}}]})
    _said(lab, "approve")
    assert lab.status()["command"]["outcome"] == (
        "step 1 (pauseSeconds) is no gate, say it again when step 2 is reached, which is one: nothing was done"
    )
    assert not lab.status()["command"]["obeyed"]


def test_the_same_words_are_obeyed_once() -> None:
    lab = _said(trying(), "skip")
    lab.rest()
    assert lab.status()["rollout"]["step"] == 3
    lab.say("skip again")
    lab.rest()
    assert lab.versions() == {"2": 100}


def test_an_unknown_verb_says_which_there_are() -> None:
    lab = _said(trying(), "explode")
    assert "promote, abort" in lab.status()["command"]["outcome"]


# Crashes.


def _end(lab: Lab) -> object:
    """What must be the same whatever happened on the way."""
    children = sorted(str(target) for target in lab.world.objects if target.resource not in (HTTP_ROUTES,))
    kept = {key: dig(lab.status(), key, "revision") for key in ("stable", "canary", "rejected")}
    return children, lab.versions(), kept, lab.condition("Ready"), lab.condition("RolledBack")


ENDS: dict[str, tuple[Behaviour, Json, dict[str, int]]] = {
    "promoted": (Behaviour(), {}, {"2": 100}),
    "rolled back": (Behaviour(error_share=0.5), {}, {"1": 100}),
    "promoted with few pods more": (Behaviour(), {"maxSurge": 1}, {"2": 100}),
    "promoted next to new pods": (Behaviour(), {"baseline": "Fresh"}, {"2": 100}),
    "rolled back next to new pods": (Behaviour(error_share=0.5), {"baseline": "Fresh"}, {"1": 100}),
    "promoted without complaints": (Behaviour(), {"judge": {"metrics": [COMPLAINTS]}}, {"2": 100}),
}


@cache
def _undisturbed(case: str) -> object:
    behaviour, rollout, shares = ENDS[case]
    lab = trying(behaviour, replicas=3, rollout=SPEC["rollout"] | rollout)
    lab.live(lambda now: now.versions() == shares)
    lab.rest()
    return _end(lab)


MOST_WRITES = {case: 6 if "baseline" in rollout else 4 for case, (_, rollout, _) in ENDS.items()}
"""Of a pass."""


@pytest.mark.parametrize(("case", "at"), [(case, at) for case, most in MOST_WRITES.items() for at in range(most)])
def test_a_crash_before_any_write_of_every_pass_changes_nothing(case: str, at: int) -> None:
    behaviour, rollout, shares = ENDS[case]
    spec = {"replicas": 3, "rollout": SPEC["rollout"] | rollout}
    lab = Lab()
    lab.apply(**spec)
    lab.behaviours["2"] = behaviour
    crashes = 0
    for turn in range(80):  # the longest of them rests after 64
        if turn == 10:
            lab.models.champion = "2"
        # In every other pass, so that there are looks from which something is learned.
        if turn % 2 == 0:
            crashes += not lab.work(Fault(at)).ended
            lab.restart_operator()
            lab.work()
        lab.work()
        lab.nature()
        lab.traffic(400)
        lab.world.wait(2.0)
    lab.rest()
    assert crashes
    assert lab.versions() == shares
    assert _end(lab) == _undisturbed(case)
    assert TARGET in lab.world.objects
