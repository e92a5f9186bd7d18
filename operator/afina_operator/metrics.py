"""The operator's Prometheus metrics. docs and the chart's alerts name them: a rename breaks somebody's dashboard."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG_SECONDS = (30, 60, 300, 900, 3600, 4 * 3600, 86_400, 7 * 86_400)

RECONCILES = Counter("afina_reconciles", "Passes over one object, by kind and result.", ["kind", "result"])
RECONCILE_SECONDS = Histogram("afina_reconcile_seconds", "Duration of a pass.", ["kind"], buckets=_SECONDS)
QUEUE_DEPTH = Gauge("afina_queue_depth", "Objects that wait for a worker now.")
QUEUE_WAIT_SECONDS = Histogram("afina_queue_wait_seconds", "Time from due to taken by a worker.", buckets=_SECONDS)
OBJECTS = Gauge("afina_objects", "Objects by kind and by the reason of their summary condition.", ["kind", "reason"])
ROLLOUT_SECONDS = Histogram(
    "afina_rollout_seconds",
    "Duration of the rollouts that ended: Promoted, Superseded, or the reason of the roll-back.",
    ["result"],
    buckets=_LONG_SECONDS,
)
WATCH_AGE_SECONDS = Gauge(
    "afina_watch_age_seconds",
    "Time since the watch brought an event or was proved fresh by an audit.",
    ["resource", "namespace"],
)
REQUESTS = Counter("afina_api_requests", "Requests to the API server; code none: no answer.", ["verb", "kind", "code"])
REQUEST_SECONDS = Histogram("afina_api_request_seconds", "Duration of a request.", ["verb"], buckets=_SECONDS)
WRITES = Counter("afina_api_writes", "Writes that the API server accepted, by verb and kind.", ["verb", "kind"])
LEASE_HELD = Gauge("afina_lease_held", "1 while this operator holds the lease and may write.")
