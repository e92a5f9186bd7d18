"""Rollouts on the real cluster: good canaries and bad ones, under load, through a real Gateway."""

from collections.abc import Callable, Iterator

import pytest

from e2e.jobs import condition
from e2e.rollouts import PER_SECOND, Served, a_deployment, recorded_routes
from kube import Cluster, wait_until
from support.canaries import BODIES, DRIFTED, FAILING, GOOD, SLOW, Canary
from traffic import Load

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def served(afina: Cluster, new_namespace: Callable[[str], str]) -> Iterator[Served]:
    with a_deployment(afina, new_namespace("rollouts")) as found:
        yield found


def test_answers_at_its_address(served: Served) -> None:
    with Load(f"{served.url}/predict", BODIES, 20) as load:
        wait_until(lambda: len(load.answers) > 20, "answers", 20)
    assert not load.failures()


def test_a_good_canary_is_promoted_without_a_failed_request(served: Served) -> None:
    with (
        Load(f"{served.url}/predict", BODIES, PER_SECOND) as load,
        recorded_routes(served.cluster, served.namespace, served.name) as routes,
    ):
        version = served.models.register(GOOD)
        served.wait_stable(version)
    assert not load.failures()
    assert all(sum(shares.values()) == 100 for shares in routes.seen)
    assert [sorted(shares.values()) for shares in routes.seen] == [[100], [0, 100], [20, 80], [40, 60], [100]]
    assert len({answer.revision for answer in load.answers}) == 2


BAD: dict[str, tuple[Canary, str, str]] = {
    "answers that are no numbers": (FAILING, "JudgeFailed", "errors"),
    "slow": (SLOW, "JudgeFailed", "latency"),
    "other predictions": (DRIFTED, "JudgeFailed", "predictions"),
}


@pytest.mark.parametrize(("canary", "reason", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_canary_is_rolled_back_before_the_next_step(
    canary: Canary, reason: str, words: str, served: Served
) -> None:
    before = served.now()["status"]["stable"]
    with (
        Load(f"{served.url}/predict", BODIES, PER_SECOND) as load,
        recorded_routes(served.cluster, served.namespace, served.name) as routes,
    ):
        version = served.models.register(canary)
        found = served.wait_rolled_back(reason)
        assert found["status"]["rejected"]["modelVersion"] == version
        served.models.make_champion(before["modelVersion"])
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    assert words in found["status"]["rejected"]["message"]
    assert max(min(shares.values()) for shares in routes.seen if len(shares) == 2) == 20
    assert all(sum(shares.values()) == 100 for shares in routes.seen)
    assert set(load.failures()) <= {500}, "the canary's own answers are the only ones that fail"


def test_a_canary_with_another_digest_gets_no_request(served: Served) -> None:
    before = served.now()["status"]["stable"]
    with Load(f"{served.url}/predict", BODIES, 20) as load:
        served.models.register(GOOD, wrong_digest=True)
        found = served.wait_rolled_back("CrashLoop")
        served.models.make_champion(before["modelVersion"])
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    assert "was changed" in found["status"]["rejected"]["message"]
    assert not load.failures()
    assert {answer.revision for answer in load.answers} == {before["revision"]}


def test_a_canary_that_never_gets_ready_is_given_up(served: Served) -> None:
    before = served.now()["status"]["stable"]
    served.patch({"image": "registry.invalid/none:1", "rollout": {"progressDeadlineSeconds": 20}})
    found = served.wait_rolled_back("ProgressDeadlineExceeded")
    served.patch({"image": None, "rollout": {"progressDeadlineSeconds": 120}})
    served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the image is back")
    assert "Pull" in found["status"]["rejected"]["message"]
    assert found["status"]["stable"] == before
    assert condition(found, "Ready")["status"] == "True"


def test_without_traffic_it_waits_until_somebody_aborts(served: Served) -> None:
    before = served.now()["status"]["stable"]
    served.models.register(GOOD)
    served.wait(lambda now: condition(now, "Inconclusive").get("reason") == "TooFewSamples", "too few samples")
    assert "rolled back" in served.afina("abort", "it", "is", "odd")
    found = served.wait_rolled_back("Aborted")
    assert found["status"]["weight"] == 0
    assert "it is odd" in found["status"]["rejected"]["message"]
    served.models.make_champion(before["modelVersion"])
    served.wait_stable(before["modelVersion"])
