"""How far the search is, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from afina_api.budget import Budget
from afina_api.objective import Objective
from afina_jobs.durations import duration
from afina_jobs.study.standing import best, count, ended, failure_text, front, in_words, value_of

_WORDS = {TrialState.COMPLETE: "succeeded", TrialState.FAIL: "failed", TrialState.PRUNED: "pruned"}


def trial_line(
    trial: FrozenTrial,
    trials: Sequence[FrozenTrial],
    objectives: Sequence[Objective],
    budget: Budget,
    *,
    seconds: float,
) -> str:
    """One line about a trial that has just ended, and about what is still to come."""
    counts = count(trials)
    parts = [f"trial {trial.number} {_ending(trial, objectives)}"]
    for leader in best(trials, objectives):
        one = len(objectives) == 1
        parts.append(f"best {value_of(leader):.6g} (trial {leader.number})" if one else headline(trials, objectives))
    parts += [f"{ended(counts)}/{budget.max_trials} trials", f"{duration(seconds)} so far"]
    left = remaining(ended(counts), budget, seconds)
    parts += [f"about {duration(left)} left"] if left else []
    return f"{', '.join(parts)}; {parameters(trial.params)}"


def headline(trials: Sequence[FrozenTrial], objectives: Sequence[Objective]) -> str:
    """The best trial so far, or how large the Pareto front is and which trial is its knee; empty if there is none."""
    for leader in best(trials, objectives):
        found = f"{in_words(leader, objectives)} (trial {leader.number})"
        size = len(front(trials, objectives))
        return f"Best: {found}" if len(objectives) == 1 else f"Pareto front of {size}, its knee: {found}"
    return ""


def _ending(trial: FrozenTrial, objectives: Sequence[Objective]) -> str:
    if trial.state == TrialState.COMPLETE:
        return f"succeeded: {in_words(trial, objectives)}"
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
