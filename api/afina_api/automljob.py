"""AutoMLJob: from a Dataset to a leaderboard and a registered, calibrated, reproducible model."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from afina_api.base import (
    LocalReference,
    Metadata,
    Model,
    Resources,
    Status,
    Tracking,
    Volume,
    fixed_after_start,
    rule,
)
from afina_api.dataset import ColumnName

Task = Literal["Auto", "Classification", "Regression", "Ranking"]
Metric = Literal["Auto", "LogLoss", "AUC", "Accuracy", "F1", "RMSE", "MAE", "R2", "MAPE", "NDCG"]
Family = Literal["Linear", "RandomForest", "ExtraTrees", "XGBoost", "LightGBM", "MLP"]

DIGEST_TAG = "afina.digest"
"""Tag of a registered model's version, with the hash of its files."""

NEEDS_TAG = "afina.needs"
"""Tag of one that not every image can serve: `torch`, where a network sees the images that it is asked about."""

TASK_METRICS: dict[str, tuple[str, ...]] = {
    "Classification": ("LogLoss", "AUC", "Accuracy", "F1"),
    "Regression": ("RMSE", "MAE", "R2", "MAPE"),
    "Ranking": ("NDCG",),
}


class AutoMLBudget(Model):
    """How far the search goes."""

    size: Literal["Small", "Medium", "Large"] = "Small"
    """Small: 10 minutes, Medium: 1 hour, Large: 8 hours."""
    time_seconds: Annotated[int, Field(ge=10, le=30 * 86_400)] | None = None
    """Instead of a size: seconds of search."""
    max_models: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """So many models are fitted at most."""

    @property
    def seconds(self) -> int:
        """Seconds of search."""
        return self.time_seconds or {"Small": 600, "Medium": 3600, "Large": 28_800}[self.size]


class ModelValidation(Model):
    """How models are compared. All of them on the same folds."""

    rules: ClassVar = (
        rule(
            "!(has(self.groupColumn) && has(self.timeColumn))",
            "folds follow groupColumn or timeColumn, not both",
        ),
    )

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Folds of the cross-validation."""
    holdout_share: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    """Share of the rows that no model sees before the end; scores, coverage and promotion are measured on them."""
    group_column: ColumnName | None = None
    """Rows with the same value are never on both sides of a split. Ranking: the query."""
    time_column: ColumnName | None = None
    """Models are tested on later rows than they were trained on."""

    @model_validator(mode="after")
    def _follows_one_column(self) -> Self:
        if self.group_column and self.time_column:
            raise ValueError("folds follow groupColumn or timeColumn, not both")
        return self


class Constraints(Model):
    """What a model must keep to be chosen, measured on the exported artifact."""

    p95_milliseconds: Annotated[float, Field(gt=0, le=600_000)] | None = None
    """The 95th percentile of the time for one row, on one processor."""
    size_bytes: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Size of the exported model."""


class Features(Model):
    """Which columns a model may see."""

    exclude: Annotated[list[ColumnName], Field(max_length=500, default_factory=list)]
    """Columns that no model sees."""
    allow_leaks: Annotated[list[ColumnName], Field(max_length=100, default_factory=list)]
    """Columns that look like leaks and are none."""


class Limits(Model):
    """Between which values a prediction is physically possible."""

    min: float | None = None
    """No prediction should be less."""
    max: float | None = None
    """No prediction should be greater."""


class Threshold(Model):
    """A score on the holdout that a champion must have."""

    metric: Metric
    """The metric."""
    value: float
    """At least this, or at most where less is better."""


class Promotion(Model):
    """When the registered model becomes champion. Without it, only `candidate` is set."""

    thresholds: Annotated[list[Threshold], Field(max_length=10, default_factory=list)]
    """Scores that it must have, whatever the present champion's."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Level of the paired test against the present champion on the same holdout."""


class AutoMLJobSpec(Model):
    """Which data, what to predict, and how far to go. Nothing but data and target is required."""

    rules: ClassVar = (
        rule(
            "self.task != 'Ranking' || (has(self.validation) && has(self.validation.groupColumn))",
            "Ranking needs validation.groupColumn: the query that a row belongs to",
            field=".validation",
        ),
        rule(
            "self.metric == 'Auto' || self.task == 'Auto' || self.metric in {'Classification': ['LogLoss', 'AUC',"
            " 'Accuracy', 'F1'], 'Regression': ['RMSE', 'MAE', 'R2', 'MAPE'], 'Ranking': ['NDCG']}[self.task]",
            "the metric does not fit the task: Classification has LogLoss, AUC, Accuracy, F1; Regression RMSE, MAE,"
            " R2, MAPE; Ranking NDCG",
            field=".metric",
        ),
    )

    dataset_ref: LocalReference
    """The Dataset to learn from. It must be Ready."""
    target: ColumnName
    """The column to predict."""
    task: Task = "Auto"
    """Auto: Classification where the target has few or named values, else Regression."""
    metric: Metric = "Auto"
    """Auto: LogLoss, RMSE or NDCG."""
    models: Annotated[
        list[Family], Field(max_length=6, default_factory=list, json_schema_extra={"x-kubernetes-list-type": "set"})
    ]
    """Families to try; none: all that the image can run."""
    budget: Annotated[AutoMLBudget, Field(default_factory=AutoMLBudget)]
    """How far the search goes."""
    validation: Annotated[ModelValidation, Field(default_factory=ModelValidation)]
    """How models are compared."""
    features: Annotated[Features, Field(default_factory=Features)]
    """Which columns a model may see."""
    constraints: Constraints | None = None
    """What a model must keep to be chosen."""
    ensemble: Literal["Auto", "None", "Weighted", "Stacking"] = "Auto"
    """Auto: the best of the single models, the weighted and the stacked ensemble."""
    quantization: Literal["None", "Int8"] = "None"
    """Int8: perceptrons have weights of 8 bits, if that loses less than 1 % of the metric on the holdout and is faster
    and smaller; the report has both."""
    limits: Limits | None = None
    """Between which values a prediction is physically possible."""
    register_as: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", min_length=1, max_length=128)] | None
    ) = None
    """Name of the registered model in MLflow. Unset: the model is exported, not registered."""
    promotion: Promotion | None = None
    """When the registered model becomes champion."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of folds, models and search."""
    parallel_trials: Annotated[int, Field(ge=1, le=64)] = 1
    """So many models are fitted at a time."""
    image: (
        Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$", min_length=1, max_length=512)]
        | None
    ) = None
    """Image to run in, built upon afina-runtime. Unset: the one of the installation."""
    resources: Annotated[Resources, Field(default_factory=Resources)]
    """What the fit of one model may use."""
    volume: Annotated[Volume, Field(default_factory=Volume)]
    """The volume that the study, the checkpoints and the exported model live on."""
    suspend: bool = False
    """Stops the search and frees its resources; `false` again goes on from where it was."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=10 * 365 * 86_400)] | None = None
    """The job deletes itself so many seconds after its end. Unset: it stays."""

    @model_validator(mode="after")
    def _metric_fits_task(self) -> Self:
        if self.metric != "Auto" and self.task != "Auto" and self.metric not in TASK_METRICS[self.task]:
            fitting = ", ".join(TASK_METRICS[self.task])
            raise ValueError(f"the metric does not fit the task: {self.task} has {fitting}")
        if self.task == "Ranking" and not self.validation.group_column:
            raise ValueError("Ranking needs validation.groupColumn: the query that a row belongs to")
        return self


class LeaderboardEntry(Model):
    """A model that was fitted, or what became of it."""

    model: Annotated[str, Field(max_length=64)]
    """Its family, or the kind of ensemble."""
    score: float | None = None
    """The metric, cross-validated on the same folds as all others."""
    fit_seconds: Annotated[float, Field(ge=0)] | None = None
    """Time of the fit on all folds."""
    p95_milliseconds: Annotated[float, Field(ge=0)] | None = None
    """95th percentile of the time for one row, measured on the exported model."""
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    """Size of the exported model."""
    message: Annotated[str, Field(max_length=256)] = ""
    """Why it has no score, or why it was not chosen."""


class MetricValue(Model):
    """A metric and its value."""

    name: Annotated[str, Field(max_length=64)]
    """Name of the metric."""
    value: float
    """Its value on the holdout."""


class RegisteredModel(Model):
    """Where the model is."""

    name: Annotated[str, Field(max_length=128)]
    """Its name in the registry."""
    version: Annotated[str, Field(max_length=32)]
    """Its version."""
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
    """Hash of the exported files."""
    aliases: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=5)]
    """Aliases that were set on it: `candidate`, and `champion` when it was promoted."""


class Quantized(Model):
    """What became of `spec.quantization`."""

    promoted: bool
    """Whether the model has weights of 8 bits."""
    message: Annotated[str, Field(max_length=512)]
    """What was measured, and why it was not promoted."""


class AutoMLSummary(Model):
    """The state at a glance, as `kubectl get` shows it."""

    best: Annotated[str, Field(max_length=128)] = ""
    """Best model so far, with its score."""
    models: Annotated[str, Field(max_length=32)] = ""
    """Models fitted."""


class AutoMLJobStatus(Status):
    """What the operator (conditions, times) and the driver (all else) observed."""

    leaderboard: Annotated[list[LeaderboardEntry] | None, Field(max_length=10)] = None
    """The best model of each family and the ensembles, best first."""
    scores: Annotated[list[MetricValue] | None, Field(max_length=20)] = None
    """Scores of the chosen model on the holdout, the coverage of its intervals or sets among them."""
    quantized: Quantized | None = None
    """What became of `spec.quantization`."""
    model: RegisteredModel | None = None
    """Where the model is."""
    summary: AutoMLSummary | None = None
    """The state at a glance."""
    tracking: Tracking | None = None
    """Where the job's runs are in MLflow."""


# All but what may change at any time: suspend and the time to live.
_FIXED = tuple(
    field.alias or name
    for name, field in AutoMLJobSpec.model_fields.items()
    if name not in ("suspend", "ttl_seconds_after_finished")
)


class AutoMLJob(Model):
    """From a Dataset to a leaderboard and a registered, calibrated, reproducible model."""

    rules: ClassVar = (
        rule("self.metadata.name.size() <= 63", "the name may have at most 63 characters"),
        *(fixed_after_start("AutoMLJob", field) for field in _FIXED),
    )

    api_version: Literal["afina.dev/v1alpha1"]
    """Version of the API."""
    kind: Literal["AutoMLJob"]
    """Kind of the object."""
    metadata: Metadata
    """Kubernetes' own metadata."""
    spec: AutoMLJobSpec
    """Which data, what to predict, and how far to go."""
    status: AutoMLJobStatus | None = None
    """What was observed."""
