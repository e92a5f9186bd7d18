"""A real Prometheus, which scrapes what somebody counts by revision, tells the operator of it."""

import asyncio
from collections.abc import Iterator

import pytest

from afina_api.modeldeployment import CountedMetric
from afina_operator.modeldeployment.prometheus import Prometheus
from afina_operator.modeldeployment.readings import Batch, Reading, Readings, Told
from support.prometheus import prometheus_server
from support.searches import wait_for
from support.web import WebServer, body

pytestmark = pytest.mark.integration

STABLE, CANARY = "mldep-loans-1", "mldep-loans-2"
WRONG = CountedMetric(
    name="wrong",
    hits='sum(loans_wrong_total{revision="{{revision}}"}) or vector(0)',
    total='sum(loans_labelled_total{revision="{{revision}}"})',
    max_increase=0.02,
)


@pytest.fixture(scope="module")
def collector() -> Iterator[WebServer]:
    """Who collects labels that come late, and counts them."""
    with WebServer().serving() as found:
        yield found


@pytest.fixture(scope="module")
def prometheus(collector: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes it every second."""
    with prometheus_server(tmp_path_factory.mktemp("prometheus"), collector.host) as url:
        yield Prometheus(url)


def counts(collector: WebServer, **by_series: int) -> None:
    """Have the collector say that of the revisions: `wrong_1=3` of the first."""
    lines = [
        f'loans_{name.partition("_")[0]}_total{{revision="mldep-loans-{name[-1]}"}} {count}'
        for name, count in by_series.items()
    ]
    collector.answers["/metrics"] = body("\n".join([*lines, ""]).encode())


def ask(prometheus: Prometheus, *metrics: CountedMetric) -> dict[str, Told]:
    return dict(asyncio.run(prometheus(metrics, (STABLE, CANARY))))


def told(prometheus: Prometheus, stable: tuple[float, int], canary: tuple[float, int]) -> dict[str, Reading]:
    """What it tells, as soon as it is that."""
    wanted = {STABLE: Told({"wrong": stable}), CANARY: Told({"wrong": canary})}
    wait_for(lambda: ask(prometheus, WRONG) == wanted)
    return {name: Reading({"pod": {}}, one) for name, one in wanted.items()}


def test_what_was_counted_between_two_looks(prometheus: Prometheus, collector: WebServer) -> None:
    readings = Readings()
    counts(collector, labelled_1=900, wrong_1=30, labelled_2=10)
    assert readings.batches("uid", "rollout", 0, told(prometheus, (30.0, 900), (0.0, 10))) is None
    counts(collector, labelled_1=990, wrong_1=33, labelled_2=20, wrong_2=4)
    found = readings.batches("uid", "rollout", 0, told(prometheus, (33.0, 990), (4.0, 20)))
    assert found == {STABLE: Batch(counted={"wrong": (3.0, 90)}), CANARY: Batch(counted={"wrong": (4.0, 10)})}


def test_what_it_does_not_know_it_says(prometheus: Prometheus, collector: WebServer) -> None:
    counts(collector, labelled_1=5)
    wait_for(lambda: ask(prometheus, WRONG)[STABLE].counted == {"wrong": (0.0, 5)})
    wait_for(lambda: ask(prometheus, WRONG)[CANARY] == Told({}, "wrong: the query comes to 0 series: it must be one"))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ('sum(loans_wrong_total{revision="{{revision}}"}', "Prometheus refuses the query: "),
        ("0 * time() / 0 + vector(0) # {{revision}}", "the query comes to what no counter can be"),
        (
            'vector(1) or label_replace(vector(2), "revision", "{{revision}}", "revision", ".*")',
            "the query comes to 2 series",
        ),
    ],
)
def test_a_query_that_is_wrong_is_told(prometheus: Prometheus, query: str, problem: str) -> None:
    wrong = WRONG.model_copy(update={"hits": query})
    wait_for(lambda: ask(prometheus, wrong)[CANARY].problem.startswith(f"wrong: {problem}"), seconds=30)
