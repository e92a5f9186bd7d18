"""What Prometheus tells of a revision, and what it says that is no counter."""

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from afina_api.modeldeployment import CountedMetric
from afina_operator.modeldeployment.prometheus import Prometheus
from afina_operator.modeldeployment.readings import Told
from support.web import Answer, WebServer, body, pieces, redirect

PATH = "/behind/api/v1/query"
CLICKS = CountedMetric(
    name="clicks", hits='clicks{revision="{{revision}}"}', total='answers{revision="{{revision}}"}', max_decrease=0.01
)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that answers as Prometheus."""
    with WebServer().serving() as found:
        yield found


def says(*values: object, kind: str = "vector") -> Answer:
    """The answer to a query that comes to these."""
    result = [{"metric": {}, "value": [1700000000.0, value]} for value in values]
    return body(json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode())


def asked(web: WebServer, *revisions: str) -> dict[str, Told]:
    return dict(asyncio.run(Prometheus(f"{web.url}/behind/")([CLICKS], revisions or ("loans-1",))))


def test_tells_the_counters_of_each_revision_at_one_moment(web: WebServer) -> None:
    web.answers[PATH] = says("7")
    assert asked(web, "loans-1", "loans-2") == {name: Told({"clicks": (7.0, 7)}) for name in ("loans-1", "loans-2")}
    queries = [parse_qs(urlsplit(path).query) for path in web.asked]
    assert sorted(query["query"][0] for query in queries) == [
        f'{name}{{revision="loans-{number}"}}' for name in ("answers", "clicks") for number in (1, 2)
    ]
    assert len({query["time"][0] for query in queries}) == 1


def test_a_name_cannot_end_the_string_that_it_is_in(web: WebServer) -> None:
    asked(web, 'a"} or up{b="\\')
    assert r'clicks{revision="a\"} or up{b=\"\\"}' in [parse_qs(urlsplit(path).query)["query"][0] for path in web.asked]


SILENT: dict[str, tuple[Answer, str]] = {
    "no series": (says(), "the query comes to 0 series: it must be one"),
    "two series": (says("1", "2"), "the query comes to 2 series: it must be one"),
    "a matrix": (says("1", kind="matrix"), "the query comes to 1 series: it must be one"),
    "not a number": (says("NaN"), "the query comes to what no counter can be"),
    "endless": (says("+Inf"), "the query comes to what no counter can be"),
    "negative": (says("-1"), "the query comes to what no counter can be"),
    "more than can be counted": (says("1e300"), "the query comes to what no counter can be"),
    "words": (says("many"), "the query comes to what no counter can be"),
    "nothing": (says(None), "the query comes to what no counter can be"),
    "a fraction": (says("1.5"), "total must be a count: it is 1.5"),
    "a refusal": (
        body(b'{"status": "error", "errorType": "bad_data", "error": "1:3: parse error"}', code=400),
        "Prometheus refuses the query: 1:3: parse error",
    ),
    "another page": (body(b"<html>"), "Prometheus does not answer: "),
    "another document": (body(b"[]"), "Prometheus refuses the query: None"),
    "a deep document": (body(b"[" * 60_000), "Prometheus does not answer: "),
    "too much": (
        pieces(b"x" * 65_536 for _ in range(2)),
        "Prometheus does not answer: ValueError('the answer has more than 65536 bytes')",
    ),
}


@pytest.mark.parametrize(("answer", "problem"), SILENT.values(), ids=SILENT.keys())
def test_what_is_no_counter_is_unread(web: WebServer, answer: Answer, problem: str) -> None:
    web.answers[PATH] = answer
    told = asked(web)["loans-1"]
    assert told.counted == {}
    assert told.problem.startswith(f"clicks: {problem}")


def test_no_other_address_is_asked(web: WebServer) -> None:
    web.answers[PATH] = redirect(f"http://localhost:{web.port}/elsewhere")
    web.answers["/elsewhere"] = says("7")
    assert asked(web)["loans-1"].counted == {}


def test_nobody_answers() -> None:
    told = asyncio.run(Prometheus("http://127.0.0.1:1")([CLICKS], ["loans-1"]))["loans-1"]
    assert told.problem.startswith("clicks: Prometheus does not answer: ")


def test_there_is_none() -> None:
    told = asyncio.run(Prometheus("")([CLICKS], ["loans-1"]))["loans-1"]
    assert told == Told({}, "clicks: this installation has no Prometheus: set prometheus.url in the chart's values")


def test_one_metric_that_is_wrong_leaves_the_others(web: WebServer) -> None:
    web.answers[PATH] = lambda request: (says() if "wrong" in request.path else says("3"))(request)
    wrong = CLICKS.model_copy(update={"name": "wrong", "hits": "wrong"})
    told = asyncio.run(Prometheus(f"{web.url}/behind")([wrong, CLICKS], ["loans-1"]))["loans-1"]
    assert told.counted == {"clicks": (3.0, 3)}
    assert told.problem.startswith("wrong: ")
