"""How far the search is, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from afina_api.tuningjob import Budget, Objective
from afina_jobs.durations import duration
from afina_jobs.study.standing import best, count, ended, failure_text, value_of

_WORDS = {TrialState.COMPLETE: "succeeded", TrialState.FAIL: "failed", TrialState.PRUNED: "pruned"}


def trial_line(
    trial: FrozenTrial, trials: Sequence[FrozenTrial], objective: Objective, budget: Budget, *, seconds: float
) -> str:
    """One line about a trial that has just ended, and about what is still to come."""
    counts = count(trials)
    parts = [f"trial {trial.number} {_ending(trial, objective)}"]
    parts += [f"best {value_of(leader):.6g} (trial {leader.number})" for leader in best(trials, objective)]
    parts += [f"{ended(counts)}/{budget.max_trials} trials", f"{duration(seconds)} so far"]
    left = remaining(ended(counts), budget, seconds)
    parts += [f"about {duration(left)} left"] if left else []
    return f"{', '.join(parts)}; {parameters(trial.params)}"


def _ending(trial: FrozenTrial, objective: Objective) -> str:
    if trial.state == TrialState.COMPLETE:
        return f"succeeded: {objective.metric} {value_of(trial):.6g}"
    if trial.state == TrialState.FAIL:
        return f"failed: {failure_text(trial)}"
    return _WORDS.get(trial.state, "runs")


def remaining(ended_trials: int, budget: Budget, seconds: float) -> float:
    """Seconds that the rest of the budget takes at the pace so far; 0 when nothing is known or left."""
    left = seconds / ended_trials * (budget.max_trials - ended_trials) if ended_trials else 0.0
    if budget.timeout_seconds is not None:
        left = min(left, budget.timeout_seconds - seconds)
    return max(left, 0.0)


def parameters(params: Mapping[str, Any]) -> str:
    """Parameters on one line."""
    return " ".join(f"{name}={short(value)}" for name, value in params.items())


def short(value: object) -> str:
    """A value as people read it: floats with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
