"""What trials report on their way, as the study keeps it.

Optuna has intermediate values for studies of one objective only. Those of several are attributes of the trial, one a
step, so that a step is stored as a whole or not at all.
"""

from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial

from afina_jobs.contract import Report

REPORT = "afina:report:"
"""Before the step in an attribute's name."""


def record(trial: optuna.Trial, report: Report) -> None:
    """Keep a report."""
    if len(report.values) == 1:
        trial.report(report.values[0], report.step)
    else:
        trial.set_user_attr(f"{REPORT}{report.step}", report.values)


def reports_of(trial: FrozenTrial) -> Mapping[int, tuple[float, ...]]:
    """What a trial has reported: the values of all objectives, by step, ascending."""
    found = {step: (value,) for step, value in trial.intermediate_values.items()}
    attrs = trial.user_attrs.items()
    found |= {int(name.removeprefix(REPORT)): tuple(values) for name, values in attrs if name.startswith(REPORT)}
    return dict(sorted(found.items()))
