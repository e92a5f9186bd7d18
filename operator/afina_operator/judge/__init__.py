"""The canary's judge: is it worse than the stable revision by more than is allowed? Pure; see docs/judge.md.

`look` adds what was counted since the last look to the evidence, `judge` says what follows from it.
"""

from afina_operator.judge.counted import Counted
from afina_operator.judge.evidence import Evidence, look
from afina_operator.judge.limits import Limits
from afina_operator.judge.sample import Sample, Total
from afina_operator.judge.verdict import Finding, Outcome, Reason, Verdict, judge

__all__ = [
    "Counted",
    "Evidence",
    "Finding",
    "Limits",
    "Outcome",
    "Reason",
    "Sample",
    "Total",
    "Verdict",
    "judge",
    "look",
]
