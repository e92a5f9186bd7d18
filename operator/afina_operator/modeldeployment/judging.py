"""What the judge makes of the counters, and what of it the status keeps. Pure.

There are two evidences. That of the whole rollout fails a bad canary, whichever step it is at: one test, so one alpha.
That of the present step, which begins anew with it, passes the canary: other steps had other shares of the traffic.
"""

import hashlib
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, ValidationError

from afina_api.modeldeployment import CountedMetric, MetricEvidence, ModelDeploymentStatus, Rollout, RolloutStatus
from afina_api.serving import LATENCY_BOUNDS
from afina_operator.judge import Counted, Evidence, Limits, Outcome, Reason, Sample, Verdict, judge, look
from afina_operator.modeldeployment.readings import Batch
from afina_operator.modeldeployment.rollout import compared_with, is_shadow

_OVERLOADED = "429"
_MAX_MESSAGE, _MAX_FINDING = 1024, 512
_SAME = 0.1
"""Relative. Numbers that are no farther apart are the same answer."""
_NOISE = 1e-3
"""Relative. A bound that went through the text format is that bound: neighbours are a tenth apart."""


class _State(BaseModel):
    """What the judge keeps from look to look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rollout: Evidence = Evidence()
    step: Evidence = Evidence()
    index: int = 0
    """Of the step."""
    limits: str = ""
    """A hash of what the bets were against: evidence of a claim is none of another."""


def looked(
    status: ModelDeploymentStatus, rollout: Rollout, batches: Mapping[str, Batch | None] | None
) -> ModelDeploymentStatus:
    """The status after one more look of the judge.

    Args:
        status: as it is.
        rollout: of the spec.
        batches: what was counted since the last look, by what the pods go by; None where that is not known.
    """
    stable, canary, progress = status.stable, status.canary, status.rollout
    if stable is None or canary is None or progress is None or batches is None:
        return status
    baseline = compared_with(rollout, progress.step, stable.revision)
    if not {baseline, canary.revision} <= set(batches):
        return status
    tried, trusted = batches[canary.revision], batches[baseline]
    # The stable servers have compared the canary's answers with theirs.
    samples = _sample(tried, trusted.differences if trusted else {}), _sample(trusted, {})
    problem = "; ".join(dict.fromkeys(batch.problem for batch in (tried, trusted) if batch and batch.problem))
    return status.model_copy(update={"rollout": _after(progress, rollout, samples, problem)})


def _after(
    progress: RolloutStatus, rollout: Rollout, samples: tuple[Sample | None, Sample | None], problem: str
) -> RolloutStatus:
    judged = rollout.steps[progress.step].judged if progress.step < len(rollout.steps) else None
    limits = Limits(
        min_samples=judged.min_samples if judged else 1,
        max_error_share_increase=rollout.judge.max_error_share_increase,
        max_latency_ratio=rollout.judge.max_latency_ratio,
        max_prediction_drift=rollout.judge.max_prediction_drift,
        max_changed_answers=rollout.judge.max_changed_answers if any(s.shadow for s in rollout.steps) else None,
        max_uncertainty_increase=rollout.judge.max_uncertainty_increase,
        counted=tuple(map(_counted, rollout.judge.metrics)),
        alpha=rollout.judge.alpha,
    )
    # Only in a step `shadow` answers are compared, and nobody gets them, so that nobody else can count: of what is not
    # done in a step there would never be enough.
    in_shadow = is_shadow(rollout, progress.step)
    of_step = replace(limits, counted=()) if in_shadow else replace(limits, max_changed_answers=None)
    claimed = hashlib.sha256(rollout.judge.model_dump_json(exclude={"alpha"}).encode()).hexdigest()
    before = _restored(progress.judge_state, claimed)
    if progress.reason and before.index == progress.step and not any(_is_news(one) for one in samples):
        return progress
    step = before.step if before.index == progress.step else Evidence()
    state = _State(
        rollout=look(before.rollout, *samples, limits),
        step=look(step, *samples, of_step),
        index=progress.step,
        limits=claimed,
    )
    whole, present = judge(state.rollout, limits), judge(state.step, of_step)
    shown = whole if whole.outcome is Outcome.FAIL else present
    message = f"{shown.message}: {problem}" if problem and shown.reason is Reason.METRICS_UNREAD else shown.message
    return progress.model_copy(
        update={
            "looks": progress.looks + 1,
            "verdict": _word(whole, present),
            "reason": str(shown.reason),
            "message": message[:_MAX_MESSAGE],
            "evidence": [
                MetricEvidence(
                    metric=finding.metric, verdict=finding.outcome.value, message=finding.message[:_MAX_FINDING]
                )
                for finding in shown.findings
            ],
            "judge_state": state.model_dump_json(exclude_defaults=True),
        }
    )


def _is_news(sample: Sample | None) -> bool:
    """Whether there is anything to learn: also that metrics cannot be read. Others may count later than we do."""
    return sample is None or sample.requests > 0 or any(total for _, total in sample.counted.values())


def _counted(metric: CountedMetric) -> Counted:
    if metric.max_increase is not None:
        return Counted(metric.name, metric.max_increase)
    return Counted(metric.name, metric.max_decrease or 0.0, less_is_worse=True)


def _word(whole: Verdict, present: Verdict) -> str:
    """That of the whole rollout fails, that of the step passes."""
    if whole.outcome is Outcome.FAIL:
        return "Fail"
    return "Pass" if present.outcome is Outcome.PASS else "Inconclusive"


def _restored(text: str, claimed: str) -> _State:
    """What was kept; where somebody edited it, or the limits, it is gathered anew."""
    try:
        state = _State.model_validate_json(text or "{}")
    except ValidationError:
        return _State()
    return state if state.limits == claimed else _State()


def _sample(batch: Batch | None, differences: Mapping[float, int]) -> Sample | None:
    """The counts as the judge wants them. A request that was wrong in itself says nothing of a revision.

    Args:
        batch: of the revision.
        differences: rows by how far its answer is from the stable revision's, where that was compared.
    """
    if batch is None:
        return None
    failed = sum(count for code, count in batch.codes.items() if code.startswith("5") or code == _OVERLOADED)
    doubts, doubted = batch.uncertainty
    answered = sum(count for code, count in batch.codes.items() if code.startswith("2"))
    return Sample(
        requests=failed + answered,
        errors=failed,
        latencies=tuple(_latencies(batch.seconds)),
        predictions=dict(batch.predictions),
        compared=sum(differences.values()),
        changed=sum(count for bound, count in differences.items() if bound > _SAME),
        uncertainty=(min(doubts, doubted), doubted),  # the difference of two sums is rounded
        counted=dict(batch.counted),
    )


def _latencies(seconds: Mapping[float, int]) -> Sequence[int]:
    found = [0] * (len(LATENCY_BOUNDS) + 1)
    for bound, count in seconds.items():
        place = len(LATENCY_BOUNDS) if math.isinf(bound) else bisect_left(LATENCY_BOUNDS, bound * (1 - _NOISE))
        found[place] += count
    return found
