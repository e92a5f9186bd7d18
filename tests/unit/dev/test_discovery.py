from typing import Any

import pytest

from devcluster.discovery import targets


def a_pod(phase: str = "Running", **annotations: str) -> dict[str, Any]:
    named = {f"prometheus.io/{name}": value for name, value in annotations.items()}
    metadata = {"namespace": "afina", "name": "web", "annotations": named}
    return {"metadata": metadata, "status": {"phase": phase, "podIP": "10.244.0.9"}}


def test_an_annotated_pod_is_scraped_where_it_says() -> None:
    labels = {"namespace": "afina", "pod": "web", "__metrics_path__": "/m"}
    assert targets([a_pod(scrape="true", port="8080", path="/m")]) == [
        {"targets": ["10.244.0.9:8080"], "labels": labels}
    ]


def test_the_usual_path_is_the_default() -> None:
    assert targets([a_pod(scrape="true", port="8080")])[0]["labels"]["__metrics_path__"] == "/metrics"


NOT_SCRAPED = {
    "without annotations": {"metadata": {"namespace": "a", "name": "b"}, "status": {"phase": "Running"}},
    "that does not want it": a_pod(scrape="false", port="8080"),
    "without a port": a_pod(scrape="true"),
    "that has not started": a_pod("Pending", scrape="true", port="8080"),
    "that has ended": a_pod("Succeeded", scrape="true", port="8080"),
}


@pytest.mark.parametrize("pod", NOT_SCRAPED.values(), ids=NOT_SCRAPED.keys())
def test_not_scraped_is_a_pod(pod: dict[str, Any]) -> None:
    assert targets([pod]) == []
