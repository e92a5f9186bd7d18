"""Which trials are ended early: Optuna's pruners by Optuna's names, with Optuna's defaults."""

from collections.abc import Collection, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from afina_api.base import Model, rule
from afina_api.choice import Choice, choice_rules

MAX_STEP = 2**31 - 1
"""The largest step that a trial may report."""

Steps = Annotated[int, Field(ge=0, le=MAX_STEP)]
Resource = Annotated[int, Field(ge=1, le=MAX_STEP)]
ReductionFactor = Annotated[int, Field(ge=2, le=100)]


class MedianSettings(Model):
    """Settings of Median."""

    startup_trials: Annotated[int, Field(ge=0, le=10_000)] = 5
    """So many trials must have succeeded before any is pruned."""
    warmup_steps: Steps = 0
    """No trial is pruned before this step."""
    interval_steps: Resource = 1
    """A trial is judged once in so many steps."""
    min_trials: Annotated[int, Field(ge=1, le=10_000)] = 1
    """So many trials must have reported at a step before any is judged there."""


class PercentileSettings(MedianSettings):
    """Settings of Percentile."""

    percentile: Annotated[float, Field(ge=0, le=100)]
    """So many percent of the trials are kept: those that are best at a step."""


class SuccessiveHalvingSettings(Model):
    """Settings of SuccessiveHalving."""

    rules: ClassVar = (
        rule(
            "self.bootstrapCount == 0 || has(self.minResource)",
            "bootstrapCount needs minResource",
            field=".bootstrapCount",
        ),
    )

    min_resource: Resource | None = None
    """Step of the first rung. Unset: a hundredth of the steps of the first trial that succeeds, at least 1."""
    reduction_factor: ReductionFactor = 4
    """One trial in so many goes on from rung to rung, each so many times as far as the one before."""
    min_early_stopping_rate: Annotated[int, Field(ge=0, le=20)] = 0
    """So many of the first rungs are left out."""
    bootstrap_count: Annotated[int, Field(ge=0, le=10_000)] = 0
    """So many trials must have reached a rung before any goes on from it."""

    @model_validator(mode="after")
    def _bootstrap_knows_its_rung(self) -> Self:
        if self.bootstrap_count and self.min_resource is None:
            raise ValueError("bootstrapCount needs minResource")
        return self


class HyperbandSettings(Model):
    """Settings of Hyperband."""

    rules: ClassVar = (
        rule(
            "!has(self.maxResource) || self.minResource < self.maxResource",
            "minResource must be less than maxResource",
            field=".maxResource",
        ),
        rule(
            "self.bootstrapCount == 0 || has(self.maxResource)",
            "bootstrapCount needs maxResource",
            field=".bootstrapCount",
        ),
    )

    min_resource: Resource = 1
    """Step of the first rung of the most eager bracket."""
    max_resource: Resource | None = None
    """Steps of a whole trial. Unset: those of the first trial that succeeds; none is pruned before."""
    reduction_factor: ReductionFactor = 3
    """One trial in so many goes on from rung to rung, each so many times as far as the one before."""
    bootstrap_count: Annotated[int, Field(ge=0, le=10_000)] = 0
    """So many trials must have reached a rung before any goes on from it."""

    @model_validator(mode="after")
    def _resources_are_ordered(self) -> Self:
        if self.max_resource is not None and self.min_resource >= self.max_resource:
            raise ValueError("minResource must be less than maxResource")
        if self.bootstrap_count and self.max_resource is None:
            raise ValueError("bootstrapCount needs maxResource")
        return self


class WilcoxonSettings(Model):
    """Settings of Wilcoxon."""

    p_threshold: Annotated[float, Field(gt=0, le=1)] = 0.1
    """A trial is pruned where the test's p-value is less than this: the smaller, the more cautious."""
    startup_steps: Steps = 2
    """So many values are compared before any trial is pruned."""


class ThresholdSettings(Model):
    """Settings of Threshold."""

    rules: ClassVar = (
        rule("has(self.lower) || has(self.upper)", "Threshold needs lower, upper or both"),
        rule(
            "!has(self.lower) || !has(self.upper) || self.lower < self.upper",
            "lower must be less than upper",
            field=".upper",
        ),
    )

    lower: float | None = None
    """A trial that reports less is pruned."""
    upper: float | None = None
    """A trial that reports more is pruned."""
    warmup_steps: Steps = 0
    """No trial is pruned before this step."""
    interval_steps: Resource = 1
    """A trial is judged once in so many steps."""

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError("Threshold needs lower, upper or both")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError("lower must be less than upper")
        return self


ONE_OBJECTIVE_ONLY = ("SuccessiveHalving", "Hyperband", "Threshold")
"""Prunings that keep notes on each trial in the study, or whose bounds are those of one metric."""

_SETTINGS_OF = {
    "Median": "median",
    "Percentile": "percentile",
    "SuccessiveHalving": "successiveHalving",
    "Hyperband": "hyperband",
    "Wilcoxon": "wilcoxon",
    "Threshold": "threshold",
}
_NEED_SETTINGS = ("Percentile", "Threshold")


class _AnyPruning(Choice):
    median: MedianSettings | None = None
    """Settings of Median."""
    percentile: PercentileSettings | None = None
    """Settings of Percentile."""
    successive_halving: SuccessiveHalvingSettings | None = None
    """Settings of SuccessiveHalving."""
    hyperband: HyperbandSettings | None = None
    """Settings of Hyperband."""
    wilcoxon: WilcoxonSettings | None = None
    """Settings of Wilcoxon."""
    threshold: ThresholdSettings | None = None
    """Settings of Threshold."""


class PlainPruning(_AnyPruning):
    """Any pruning but Patient."""

    rules: ClassVar = choice_rules(_SETTINGS_OF, _NEED_SETTINGS)
    settings_of: ClassVar[Mapping[str, str]] = _SETTINGS_OF
    needs_settings: ClassVar[Collection[str]] = _NEED_SETTINGS

    name: Literal["Median", "Percentile", "SuccessiveHalving", "Hyperband", "Wilcoxon", "Threshold"]
    """As of the pruning itself."""


class PatientSettings(Model):
    """Settings of Patient."""

    patience: Annotated[int, Field(ge=0, le=10_000)]
    """So many reports without improvement are borne."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """The trial must have got worse by more than this, next to its best value before them."""
    pruner: PlainPruning | None = None
    """What decides when patience has run out. Unset: the trial is pruned then."""


_ALL_SETTINGS_OF = {**_SETTINGS_OF, "Patient": "patient"}
_ALL_NEED_SETTINGS = (*_NEED_SETTINGS, "Patient")


class Pruning(_AnyPruning):
    """Ends trials early whose intermediate values look bad."""

    rules: ClassVar = choice_rules(_ALL_SETTINGS_OF, _ALL_NEED_SETTINGS)
    settings_of: ClassVar[Mapping[str, str]] = _ALL_SETTINGS_OF
    needs_settings: ClassVar[Collection[str]] = _ALL_NEED_SETTINGS

    name: Literal["Median", "Percentile", "SuccessiveHalving", "Hyperband", "Wilcoxon", "Threshold", "Patient"]
    """Median, Percentile: worse than the median, or than that percentile, of the earlier trials at the same step.
    SuccessiveHalving: asynchronous successive halving (ASHA), keeps the best quarter at each rung. Hyperband: several
    of these that differ in how soon they begin. Wilcoxon: a test finds it worse than the best trial, step by step; for
    steps that are folds or instances. Threshold: beyond a bound, or not a number. Patient: another pruning, asked only
    where the trial itself has ceased to improve."""
    patient: PatientSettings | None = None
    """Settings of Patient."""
