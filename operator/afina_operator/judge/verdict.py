"""What follows from the evidence."""

import math
from dataclasses import dataclass
from enum import StrEnum

from afina_operator.judge.evidence import Evidence, Wealth
from afina_operator.judge.limits import Limits
from afina_operator.judge.metric import Comparison, Metric


class Outcome(StrEnum):
    """The judge's word."""

    PASS = "Pass"  # noqa: S105
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


class Reason(StrEnum):
    """Why."""

    WITHIN_LIMITS = "WithinLimits"
    """Every metric is shown to be within its limit."""
    BEYOND_LIMIT = "BeyondLimit"
    """A metric is shown to be beyond its limit."""
    METRICS_UNREAD = "MetricsUnread"
    """The last look had no metrics of one of the sides, or lacked one that others count."""
    TOO_FEW_SAMPLES = "TooFewSamples"
    """Fewer requests than wanted at one of the sides."""
    UNDECIDED = "Undecided"
    """A metric may be on either side of its limit."""


@dataclass(frozen=True)
class Finding:
    """What is known of one metric."""

    metric: str
    outcome: Outcome
    canary: float | None
    """A share, or seconds. None without data."""
    stable: float | None
    p_harm: float
    """Anytime-valid p-value of "the canary is within the limit", corrected for the number of metrics."""
    p_safety: float
    """Anytime-valid p-value of "the canary is beyond the limit"."""
    message: str


@dataclass(frozen=True)
class Verdict:
    """The judge's word, and why."""

    outcome: Outcome
    reason: Reason
    message: str
    findings: tuple[Finding, ...]


def judge(evidence: Evidence, limits: Limits) -> Verdict:
    """What follows from the evidence.

    A canary fails as soon as one metric shows harm: the test is valid at every look, so that needs no minimum of
    samples. It passes when every metric shows safety, there are enough samples, and the last look could be read.
    """
    metrics = limits.metrics()
    findings = tuple(_finding(metric, evidence, limits.alpha, len(metrics)) for metric in metrics)
    outcome, reason, message = _conclusion(evidence, limits, findings)
    return Verdict(outcome, reason, message, findings)


def _conclusion(evidence: Evidence, limits: Limits, findings: tuple[Finding, ...]) -> tuple[Outcome, Reason, str]:
    failed = [finding.message for finding in findings if finding.outcome is Outcome.FAIL]
    if failed:
        return Outcome.FAIL, Reason.BEYOND_LIMIT, "; ".join(failed)
    if evidence.unread:
        return Outcome.INCONCLUSIVE, Reason.METRICS_UNREAD, f"no {evidence.unread} in the last look"
    canary, stable = evidence.canary.requests, evidence.stable.requests
    if min(canary, stable) < limits.min_samples:
        message = f"{limits.min_samples} requests are wanted at each side: {canary} at canary, {stable} at stable"
        return Outcome.INCONCLUSIVE, Reason.TOO_FEW_SAMPLES, message
    undecided = [finding.message for finding in findings if finding.outcome is not Outcome.PASS]
    if undecided:
        return Outcome.INCONCLUSIVE, Reason.UNDECIDED, "not decided yet: " + "; ".join(undecided)
    return Outcome.PASS, Reason.WITHIN_LIMITS, "; ".join(finding.message for finding in findings)


def _finding(metric: Metric, evidence: Evidence, alpha: float, metrics: int) -> Finding:
    wealth = evidence.wealth.get(metric.name, Wealth())
    p_harm = math.exp(min(0.0, math.log(metrics) - wealth.of_harm()))
    p_safety = math.exp(min(0.0, -wealth.of_safety()))
    outcome = Outcome.FAIL if p_harm <= alpha else Outcome.PASS if p_safety <= alpha else Outcome.INCONCLUSIVE
    shown = _comparison(metric, evidence, wealth)
    return Finding(metric.name, outcome, shown.canary, shown.stable, p_harm, p_safety, f"{metric.name}: {shown.text}")


def _comparison(metric: Metric, evidence: Evidence, wealth: Wealth) -> Comparison:
    if not wealth.harmless:
        return Comparison(None, None, "nothing to compare yet")
    return metric.compare(evidence.seen(), wealth.harmless)
