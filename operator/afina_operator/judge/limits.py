"""What a canary is allowed."""

from dataclasses import dataclass

from afina_operator.judge.answers import Answers
from afina_operator.judge.counted import Counted
from afina_operator.judge.drift import Drift
from afina_operator.judge.errors import Errors
from afina_operator.judge.latency import Latency
from afina_operator.judge.metric import Metric
from afina_operator.judge.uncertainty import Uncertainty


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
    max_changed_answers: float | None = None
    """Above 0, below 1. None: answers are not compared."""
    max_uncertainty_increase: float | None = None
    """From 0, below 1. None: uncertainty does not count."""
    counted: tuple[Counted, ...] = ()
    """What others count."""
    alpha: float = 0.05
    """Probability, at most, that a canary within the limits fails; and that one beyond them passes."""

    def metrics(self) -> tuple[Metric, ...]:
        """What is compared."""
        found: list[Metric] = [Errors(self.max_error_share_increase), Latency(self.max_latency_ratio)]
        if self.max_prediction_drift is not None:
            found.append(Drift(self.max_prediction_drift))
        if self.max_changed_answers is not None:
            found.append(Answers(self.max_changed_answers))
        if self.max_uncertainty_increase is not None:
            found.append(Uncertainty(self.max_uncertainty_increase))
        return (*found, *self.counted)
