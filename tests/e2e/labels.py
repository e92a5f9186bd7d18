"""Labels that come after the answers: a client that knows the truth, and counts what was wrong by revision."""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from afina_api.serving import REVISION_HEADER
from e2e.jobs import Json
from support.web import WebServer, body
from traffic import Background

METRIC = {
    "name": "wrong",
    "hits": 'sum(sums_wrong_total{revision="{{revision}}"}) or vector(0)',
    "total": 'sum(sums_labelled_total{revision="{{revision}}"})',
    "maxIncrease": 0.05,
}


class Labels(Background):
    """Asks again and again, for as long as the block lasts."""

    def __init__(self, url: str, collector: WebServer, truth: Callable[[Json], float]) -> None:
        """Be ready.

        Args:
            url: of the deployment.
            collector: shows the counters to Prometheus.
            truth: what the right answer to a row is.
        """
        super().__init__()
        self.labelled: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self._url = f"{url}/predict"
        self._truth = truth
        collector.answers["/metrics"] = self._show

    def _work(self) -> None:
        step = 0
        while not self._stop.wait(0.01):
            # No short cycle, or a gateway that takes turns would give each revision its own rows.
            step = (step + 61) % 1000
            row = {"a": step / 1000, "b": 0.0, "c": 0.0}
            request = urllib.request.Request(self._url, json.dumps({"rows": [row]}).encode())  # noqa: S310 - of ours
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                revision = str(answer.headers[REVISION_HEADER])
                estimate = json.load(answer)["predictions"][0]["estimate"]
            self.labelled[revision] += 1
            self._wrong[revision] += estimate != self._truth(row)

    def _show(self, handler: BaseHTTPRequestHandler) -> None:
        counters: dict[str, Counter[str]] = {"labelled": self.labelled, "wrong": self._wrong}
        lines = [
            f'sums_{name}_total{{revision="{revision}"}} {count}'
            for name, counts in counters.items()
            for revision, count in counts.copy().items()
        ]
        body("\n".join([*lines, ""]).encode())(handler)
