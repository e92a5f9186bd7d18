"""Why trials fail."""

import re
from collections import Counter

from afina_api.reasons import TrialReason
from afina_jobs.explain.facts import Explanation, Facts, dig

_FAILED = re.compile(r"INFO trial (\d+) failed: ([A-Za-z]+): ")
_STEPS = {
    TrialReason.METRIC_MISSING: "Return the metric {metric!r}, or print it on the last line as JSON: "
    '{{"{metric}": 0.61}}',
    TrialReason.NOT_A_NUMBER: "Keep what diverges out: narrow spec.parameters, or return a large number instead",
    TrialReason.EXIT_CODE: "Correct the program, and try it with `afina run FILE.yaml` on this machine first",
    TrialReason.EXCEPTION: "Correct the function, and try it with `afina run FILE.yaml` on this machine first",
    TrialReason.TIMEOUT: "Raise spec.trial.timeoutSeconds, or narrow the parameters that make it slow",
    TrialReason.OUT_OF_MEMORY: "Raise spec.trial.resources.memory, or narrow the parameters that make it large",
    TrialReason.KILLED: "See who sends the signal: the log has the trial's own output behind `trial {number} |`",
    TrialReason.CANNOT_START: "Correct spec.trial.command.argv, or name an image that has the program",
    TrialReason.INTERRUPTED: "Raise spec.trial.resources.memory if the driver was OOMKilled, and leave checkpoints",
    TrialReason.CHECKPOINT_LOST: "Write smaller checkpoints, or fewer files of them, or raise spec.storage.volume.size",
}
"""What to do, by the reason that most trials failed for."""


def failing(facts: Facts) -> Explanation | None:
    """Trials have failed: how many, for what reason most of them, and what the last one said."""
    counts, last = dig(facts.obj, "status", "trials") or {}, dig(facts.obj, "status", "lastFailure") or {}
    failed = counts.get("failed", 0)
    if not failed:
        return None
    known = Counter(_reasons(facts).values())
    reason, times = next(iter(known.most_common(1)), (last.get("reason", ""), 1))
    often = f", most often ({times} of the {known.total()} that the log tells of) for {reason}" if known else ""
    allowed = dig(facts.obj, "spec", "budget", "maxFailedTrials")
    ended = counts.get("total", 0) - counts.get("running", 0)
    bound = f" budget.maxFailedTrials is {allowed}." if allowed is not None else ""
    evidence = [f"trial {last.get('number')}: {last.get('reason')}: {last.get('message')}"] if last else []
    pods = [dig(pod, "metadata", "name") for pod in facts.own_pods[-1:]]
    evidence += [f"all of them: kubectl logs {name} | grep ' failed: '" for name in pods]
    return Explanation(
        f"{failed} of {ended} trials that have ended failed{often}.{bound}", tuple(evidence), _step(facts, reason)
    )


def _reasons(facts: Facts) -> dict[str, str]:
    """The reasons of the trials that the log tells of."""
    found = (_FAILED.search(line) for line in facts.log)
    return {match[1]: match[2] for match in found if match}


def _step(facts: Facts, reason: str) -> str:
    known = next((one for one in TrialReason if one == reason), None)
    if known is None:
        return "See the log of the driver."
    number = dig(facts.obj, "status", "lastFailure", "number")
    metric = dig(facts.obj, "spec", "objectives", 0, "metric")
    step = _STEPS[known].format(metric=metric, number=number)
    return f"{step}. A job that has started keeps its spec: create another."
