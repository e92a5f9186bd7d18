"""What else a rollout does with requests on the real cluster: copies, clients that stay, new pods to compare with."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar

import pytest

from afina_api.serving import REVISION_HEADER
from e2e.jobs import condition
from e2e.labels import METRIC, Labels
from e2e.rollouts import JUDGE, PER_SECOND, STEPS, Served, a_deployment
from kube import Cluster, wait_until
from support.canaries import BODIES, DRIFTED, GOOD
from support.web import WebServer
from traffic import Load

pytestmark = pytest.mark.e2e


class Client:
    """Keeps the cookies that it is given."""

    def __init__(self, url: str) -> None:
        self.cookies = CookieJar()
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def ask(self) -> str:
        """The revision that answered."""
        with self._opener.open(self._url, json.dumps(BODIES[0]).encode(), timeout=10) as answer:
            return str(answer.headers[REVISION_HEADER])


@pytest.fixture(scope="module")
def served(afina: Cluster, new_namespace: Callable[[str], str]) -> Iterator[Served]:
    with a_deployment(afina, new_namespace("traffic")) as found:
        yield found


def test_a_canary_is_shown_copies_before_it_gets_a_request(served: Served) -> None:
    judge = {**JUDGE, "maxPredictionDrift": None, "maxChangedAnswers": 0.05}
    served.patch({"rollout": {"steps": [{"shadow": {"minSamples": 50}}, *STEPS], "judge": judge}})
    with Load(f"{served.url}/predict", BODIES, PER_SECOND) as load:
        good = served.models.register(GOOD)
        trusted = served.wait_stable(good)["status"]["stable"]["revision"]
        served.models.register(DRIFTED)
        before = len(load.answers)
        found = served.wait_rolled_back("JudgeFailed")
        served.models.make_champion(good)
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    served.patch({"rollout": {"steps": STEPS, "judge": {**JUDGE, "maxChangedAnswers": None}}})
    assert "answers: " in found["status"]["rejected"]["message"]
    assert {answer.revision for answer in load.answers[before:]} == {trusted}
    assert not load.failures()


def test_clients_stay_with_a_revision(served: Served) -> None:
    steps = [{"setWeight": 50}, {"gate": {}}]
    served.patch({"rollout": {"affinity": {"cookie": "bucket"}, "steps": steps}})
    version = served.models.register(GOOD)
    served.wait(lambda now: condition(now, "Progressing").get("reason") == "GateClosed", "the canary waits")
    clients = [Client(f"{served.url}/predict") for _ in range(20)]
    for client in clients:
        wait_until(lambda: client.ask() and client.cookies, "a cookie", 60)  # noqa: B023
    revisions = [{client.ask() for _ in range(5)} for client in clients]
    assert all(len(seen) == 1 for seen in revisions)
    assert len(set.union(*revisions)) == 2
    served.afina("approve")
    served.wait_stable(version)
    served.patch({"rollout": {"affinity": None, "steps": STEPS}})


def test_late_labels_judge_a_canary_beside_new_pods_of_stable(served: Served, collector: WebServer) -> None:
    judge = {**JUDGE, "maxPredictionDrift": None, "metrics": [METRIC]}
    steps = [{"setWeight": 30}, {"analysis": {"minSamples": 50}}]
    served.patch({"rollout": {"steps": steps, "judge": judge, "baseline": "Fresh"}})
    before = served.now()["status"]["stable"]["revision"]
    with Labels(served.url, collector, lambda row: GOOD.low if row["a"] <= GOOD.threshold else GOOD.high) as labels:
        good = served.models.register(GOOD)
        served.wait_stable(good)
        served.models.register(DRIFTED)
        found = served.wait_rolled_back("JudgeFailed")
        served.models.make_champion(good)
        served.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
    assert found["status"]["rejected"]["message"].startswith("wrong: ")
    assert labels.labelled[f"{before}-base"] >= 50
    served.patch({"rollout": {"steps": STEPS, "judge": {**JUDGE, "metrics": None}, "baseline": None}})
