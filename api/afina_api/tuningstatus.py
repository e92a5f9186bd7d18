"""What a TuningJob's status says."""

from typing import Annotated

from pydantic import Field, StringConstraints

from afina_api.base import Model, Status, Tracking
from afina_api.parameters import MAX_PARAMETERS, ParameterName, ParameterValue

MAX_IMPORTANCES = 20
MAX_SUMMARY = 128


class TrialCounts(Model):
    """How many trials are in which state."""

    total: Annotated[int, Field(ge=0)] = 0
    """All of them."""
    running: Annotated[int, Field(ge=0)] = 0
    """Being evaluated now."""
    succeeded: Annotated[int, Field(ge=0)] = 0
    """Ended with a value."""
    failed: Annotated[int, Field(ge=0)] = 0
    """Ended without one."""
    pruned: Annotated[int, Field(ge=0)] = 0
    """Ended early, on purpose."""
    infeasible: Annotated[int, Field(ge=1)] | None = None
    """Of those that succeeded, those that break a constraint. Unset: none does."""


class BestTrial(Model):
    """A trial that none is better than."""

    number: Annotated[int, Field(ge=0)]
    """Number of the trial, from 0."""
    values: Annotated[dict[str, float], Field(max_length=8)]
    """Value of each objective."""
    params: Annotated[list[ParameterValue], Field(max_length=MAX_PARAMETERS)]
    """Its parameters."""


class ParetoFront(Model):
    """The trials that none is better than in every respect."""

    size: Annotated[int, Field(ge=0)]
    """How many there are. Trials with the same values count as one, the earliest."""


class TrialFailure(Model):
    """The last trial that failed, and why."""

    number: Annotated[int, Field(ge=0)]
    """Number of the trial, from 0."""
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]*$", max_length=63)]
    """Why, as one documented CamelCase word."""
    message: Annotated[str, Field(max_length=1024)]
    """Why, for people: the last line it logged, or the exception."""


class ParameterImportance(Model):
    """How much a parameter decides about the value."""

    name: ParameterName
    """Name of the parameter."""
    value: Annotated[float, Field(ge=0, le=1)]
    """Its share in reaching the best trials, by PED-ANOVA; those of all parameters sum up to 1."""
    expected: Annotated[float, Field(ge=0, le=1)] | None = None
    """Its share in how the values vary over the whole space, as the model of Hybrid expects them after these trials,
    whatever algorithm proposed them. Not said where the model only guesses."""


class WarmStart(Model):
    """What earlier searches are good for."""

    trials: Annotated[int, Field(ge=0)]
    """So many of their trials were found."""
    agreement: Annotated[float, Field(ge=-1, le=1)] | None = None
    """Spearman's rank correlation of the results with what was expected of them, once there are enough. While it is 0
    or less, the earlier searches are left out."""


class Forecast(Model):
    """What more trials would likely bring: with 80 % probability, or more, a best value between the two."""

    trials: Annotated[int, Field(ge=1)]
    """After so many more trials: those that the budget has left, or as many again as there were."""
    optimistic: float
    """One search in ten would find a better best value than this."""
    pessimistic: float
    """At most one search in ten would find none that is as good as this, which often is the best value so far."""


class Summary(Model):
    """The state at a glance, as `kubectl get` shows it."""

    best: Annotated[str, Field(max_length=MAX_SUMMARY)] = ""
    """Best value so far, with its metric; of several objectives, the values of the trial that is picked."""
    trials: Annotated[str, Field(max_length=32)] = ""
    """Trials ended, of those in the budget."""


class TuningJobStatus(Status):
    """What the operator (conditions, times) and the driver (all else) observed."""

    trials: TrialCounts | None = None
    """How many trials are in which state."""
    best: Annotated[list[BestTrial] | None, Field(max_length=5)] = None
    """The best trials, best first. Of several objectives, trials of the Pareto front: first the one that is nearest to
    the best value of each, by their weights; then those that are farthest from all that stand before them."""
    front: ParetoFront | None = None
    """The Pareto front; only where there are several objectives."""
    importance: Annotated[list[ParameterImportance] | None, Field(max_length=MAX_IMPORTANCES)] = None
    """Which parameters decide about the value, or about reaching the Pareto front, the weightiest first;
    from 10 succeeded trials on."""
    forecast: Forecast | None = None
    """What more trials would likely bring; from 10 succeeded trials on, and of one objective only."""
    warm_start: WarmStart | None = None
    """What the earlier searches are good for."""
    last_failure: TrialFailure | None = None
    """The last trial that failed, and why."""
    summary: Summary | None = None
    """The state at a glance."""
    tracking: Tracking | None = None
    """Where the job's runs are in MLflow."""
