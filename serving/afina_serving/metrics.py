"""What is counted, for the judge of the canary and for Prometheus."""

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from afina_api.serving import DIFFERENCE_BOUNDS, LATENCY_BOUNDS
from afina_serving.settings import Identity

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_SHARES = [step / 20 for step in range(1, 21)]
_SIZES = [2**step for step in range(8)]


class Metrics:
    """The counters of this server. Only requests to the model are counted, not those for health or metrics."""

    def __init__(self, identity: Identity, drift: Callable[[], Mapping[str, float]]) -> None:
        """Count from 0.

        Args:
            identity: of the model.
            drift: how far the inputs are from those of training, by column.
        """
        self._registry = CollectorRegistry()
        known = self._registry
        requests = Counter("afina_model_requests", "Requests to the model.", ["code"], registry=known)
        self._requests = cache(requests.labels)
        self._seconds = Histogram(
            "afina_model_request_seconds", "From the body to the answer.", buckets=LATENCY_BOUNDS, registry=known
        )
        self._batches = Histogram(
            "afina_model_batch_requests", "Requests that are predicted together.", buckets=_SIZES, registry=known
        )
        self._rows = Counter("afina_model_rows", "Rows predicted.", registry=known)
        predictions = Counter("afina_model_predictions", "Rows by class or range.", ["bin"], registry=known)
        self._predictions = cache(predictions.labels)
        self._uncertainty = Histogram(
            "afina_model_uncertainty", "Of the classes: 1 less the confidence.", buckets=_SHARES, registry=known
        )
        self._differences = Histogram(
            "afina_model_shadow_difference",
            "Of rows that another revision was shown too: how far its answer is from ours, from 0 to 1.",
            buckets=DIFFERENCE_BOUNDS,
            registry=known,
        )
        self._logged = Counter("afina_model_logged_rows", "Rows written to the prediction log.", registry=known)
        self._not_logged = Counter(
            "afina_model_unlogged_rows", "Rows of the sample that could not be written.", registry=known
        )
        about = Gauge("afina_model_info", "The model.", ["model", "version", "digest", "revision"], registry=known)
        about.labels(identity.name, identity.version, identity.digest, identity.revision).set(1)
        ProcessCollector(registry=known)
        known.register(_Drift(drift))

    def began(self, requests: int) -> None:
        """So many requests go to the model together."""
        self._batches.observe(requests)

    def answered(self, status: int, seconds: float | None) -> None:
        """A request was answered, or refused: before its body had come, if there are no seconds."""
        self._requests(status).inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def predicted(self, counts: Mapping[str, int] | Counts[str], uncertainties: Iterable[float]) -> None:
        """Rows were predicted.

        Args:
            counts: of the rows, by bin.
            uncertainties: of each row, from 0 to 1; none where the model has none.
        """
        self._rows.inc(sum(counts.values()))
        for name, count in counts.items():
            self._predictions(name).inc(count)
        for value in uncertainties:
            self._uncertainty.observe(value)

    def compared(self, differences: Iterable[float]) -> None:
        """Another revision's answers were compared with ours.

        Args:
            differences: of each row, from 0 to 1.
        """
        for difference in differences:
            self._differences.observe(difference)

    def logged(self, rows: int) -> None:
        """Rows were written to the prediction log."""
        self._logged.inc(rows)

    def not_logged(self, rows: int) -> None:
        """Rows should have been written to the prediction log."""
        self._not_logged.inc(rows)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return prometheus_client.generate_latest(self._registry)


class _Drift(Collector):
    """Reckoned when it is asked for."""

    def __init__(self, drift: Callable[[], Mapping[str, float]]) -> None:
        self._drift = drift

    def collect(self) -> Iterable[GaugeMetricFamily]:
        found = GaugeMetricFamily(
            "afina_model_input_drift",
            "Population stability index of a column against the rows that were learned from.",
            labels=["column"],
        )
        for column, index in self._drift().items():
            found.add_metric([column], index)
        return [found]
