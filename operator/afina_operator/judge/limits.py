"""What a canary is allowed."""

from dataclasses import dataclass

from afina_operator.judge.drift import Drift
from afina_operator.judge.errors import Errors
from afina_operator.judge.latency import Latency
from afina_operator.judge.metric import Metric


@dataclass(frozen=True)
class Limits:
    """How much worse than the stable revision the canary may be, and how sure the judge must be."""

    min_samples: int
    """Requests on each side, before a canary can pass."""
    max_error_share_increase: float
    """From 0, below 1."""
    max_latency_ratio: float
    """From 1.1."""
    max_prediction_drift: float | None = None
    """Above 0, below 1. None: predictions do not count."""
    alpha: float = 0.05
    """Probability, at most, that a canary within the limits fails; and that one beyond them passes."""

    def metrics(self) -> tuple[Metric, ...]:
        """What is compared."""
        drift = self.max_prediction_drift
        always = (Errors(self.max_error_share_increase), Latency(self.max_latency_ratio))
        return always if drift is None else (*always, Drift(drift))
