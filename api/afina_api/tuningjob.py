"""TuningJob: searches the parameters of a program for the best values of its objectives."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, WithJsonSchema, field_validator, model_validator

from afina_api.algorithm import Algorithm
from afina_api.base import (
    FINISHED,
    STARTED,
    DnsSubdomain,
    LocalReference,
    Metadata,
    Model,
    Status,
    Tracking,
    Volume,
    fixed_after_start,
    refuse_duplicates,
    rule,
)
from afina_api.beginnings import MAX_EARLIER_SEARCHES, MAX_INITIAL_CONFIGS, EarlierSearch, InitialConfig
from afina_api.constraints import MAX_CONSTRAINTS, Constraint
from afina_api.execution import Execution, TrialResources
from afina_api.metrics import MetricName
from afina_api.parameters import MAX_PARAMETERS, Parameter, ParameterName, ParameterValue, check_conditions
from afina_api.pruning import ONE_OBJECTIVE_ONLY, Pruning

MAX_OBJECTIVES = 4
MAX_TRIALS = 10_000
MAX_GRID = 100_000
MAX_IMPORTANCES = 20
MAX_SUMMARY = 128
PLACEHOLDER = re.compile(r"\$\(params\.([^)]*)\)")
"""A parameter's place in `trial.command.argv`, as Tekton writes it."""
PLACEHOLDER_NAMES = "$(params.NAME) must name a parameter of the spec"


_ONLY_HYBRID = "warmStartFrom needs algorithm.name Hybrid: no other learns from earlier searches"
_NOT_GRID = "Grid tries every combination: remove initialConfigs"


class Objective(Model):
    """A metric and which way is better."""

    metric: MetricName
    """Name of the metric, as the trial reports it."""
    goal: Literal["Minimize", "Maximize"]
    """Which way is better."""
    target: float | None = None
    """The job ends, succeeded, when a trial is at least as good as this; where several objectives have one, as all."""
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """How much it counts beside the other objectives when one trial of the Pareto front is picked."""


class Budget(Model):
    """When the search is over. All its ends are here, since all may be moved while the job runs."""

    max_trials: Annotated[int, Field(ge=1, le=MAX_TRIALS)] = 20
    """So many trials are evaluated."""
    parallel_trials: Annotated[int, Field(ge=1, le=64)] = 1
    """So many of them at a time. The pod's resources are sized for it, so it cannot grow after the start."""
    max_failed_trials: Annotated[int, Field(ge=0, le=MAX_TRIALS)] = 3
    """One more failed trial than this and the job has failed."""
    timeout_seconds: Annotated[int, Field(ge=1, le=30 * 86_400)] | None = None
    """The search ends after so many seconds, suspended time not counted; what was found by then stands."""
    max_trials_without_improvement: Annotated[int, Field(ge=1, le=MAX_TRIALS)] | None = None
    """The search ends when so many trials in a row were not better than the best, or of several objectives did not
    change the Pareto front; failed ones do not count."""
    acceptable_regret: Annotated[float, Field(gt=0)] | None = None
    """The search ends when the best value is likely to be this close to the best that there is, in the metric's unit.
    How close is estimated, for the worse, from 20 succeeded trials on. Of one objective only."""


class Source(Model):
    """Files that the trial needs."""

    config_map_ref: LocalReference
    """Each key of this ConfigMap is a file in the trial's working directory, importable from Python."""


class PythonObjective(Model):
    """A Python function as the objective."""

    entrypoint: Annotated[
        str,
        StringConstraints(
            pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$", max_length=253
        ),
    ]
    """`module:function`. It is called as `function(params, trial)` and returns the metric's value or a dict of
    metrics; `trial.report(value, step)` tells an intermediate value."""


class CommandObjective(Model):
    """A program in any language as the objective."""

    argv: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(min_length=1, max_length=64)]
    """Program and arguments; no shell reads them. `$(params.NAME)` is replaced by the parameter's value."""


class BuiltinObjective(Model):
    """An objective that comes with Afina."""

    name: Literal["xgboost-cv"]
    """xgboost-cv: cross-validated XGBoost on a data set that ships with scikit-learn."""
    config: Annotated[
        dict[str, Any],
        WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True, "maxProperties": 50}),
        Field(default_factory=dict),
    ]
    """Settings of the objective, as its documentation says."""


class EnvVar(Model):
    """An environment variable of the trial."""

    rules: ClassVar = (
        rule("!self.name.startsWith('AFINA_')", "names that begin with AFINA_ are Afina's own", field=".name"),
    )

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", min_length=1, max_length=253)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=4096)]
    """Its value."""

    @field_validator("name")
    @classmethod
    def _name_is_not_reserved(cls, name: str) -> str:
        if name.startswith("AFINA_"):
            raise ValueError("names that begin with AFINA_ are Afina's own")
        return name


class Trial(Model):
    """How one set of parameters is evaluated."""

    rules: ClassVar = (
        rule(
            "[has(self.python), has(self.command), has(self.builtin)].filter(x, x).size() == 1",
            "a trial is exactly one of python, command or builtin",
        ),
    )

    source: Source | None = None
    """Files that the trial needs."""
    python: PythonObjective | None = None
    """A Python function as the objective."""
    command: CommandObjective | None = None
    """A program in any language as the objective."""
    builtin: BuiltinObjective | None = None
    """An objective that comes with Afina."""
    image: (
        Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$", min_length=1, max_length=512)]
        | None
    ) = None
    """Image to run in, built upon afina-runtime. Unset: the one of the installation."""
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=100,
            default_factory=list,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """Environment variables of the trial."""
    resources: Annotated[TrialResources, Field(default_factory=TrialResources)]
    """What one trial may use."""
    timeout_seconds: Annotated[int, Field(ge=1, le=30 * 86_400)] | None = None
    """A trial that takes longer is stopped and counts as failed."""

    @model_validator(mode="after")
    def _is_exactly_one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.python, self.command, self.builtin)) != 1:
            raise ValueError("a trial is exactly one of python, command or builtin")
        return self

    @field_validator("env")
    @classmethod
    def _env_names_are_unique(cls, env: list[EnvVar]) -> list[EnvVar]:
        refuse_duplicates([variable.name for variable in env])
        return env


class SecretKeyReference(Model):
    """Names one entry of a Secret in the same namespace."""

    name: DnsSubdomain
    """Name of the Secret."""
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)] = "url"
    """Key of the entry."""


class Storage(Model):
    """Where the trials are kept: on a volume of the job's own, unless a database is named."""

    rules: ClassVar = (
        rule("!(has(self.volume) && has(self.databaseSecretRef))", "storage is one of volume or databaseSecretRef"),
    )

    volume: Volume | None = None
    """A volume of the job's own, with SQLite on it."""
    database_secret_ref: SecretKeyReference | None = None
    """The entry holds the URL of a PostgreSQL database: `postgresql+psycopg://user:password@host/name`."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.volume and self.database_secret_ref:
            raise ValueError("storage is one of volume or databaseSecretRef")
        return self


_NAMES = list(ONE_OBJECTIVE_ONLY)
_ONE_FOR_CMA_ES = "CmaEs knows one objective only: use Hybrid, TPE or NSGAII"
_ONE_FOR_REGRET = "acceptableRegret is of one objective only: use maxTrialsWithoutImprovement"
_ONE_FOR_PRUNING = (
    f"{', '.join(ONE_OBJECTIVE_ONLY)} know one objective only: use Median, Percentile or Wilcoxon, or Patient of them"
)
_ONE_FOR_DELTA = "minDelta is of one objective only: remove it"


class TuningJobSpec(Model):
    """What to search, with which budget, and how one trial runs."""

    rules: ClassVar = (
        rule(
            "!has(self.algorithm) || self.algorithm.name != 'Grid' ||"
            " self.parameters.all(p, !has(p.float) || has(p.float.step))",
            "Grid needs a step on every float parameter",
            field=".parameters",
        ),
        rule(
            "!has(self.warmStartFrom) || self.warmStartFrom.size() == 0 ||"
            " (has(self.algorithm) && self.algorithm.name == 'Hybrid')",
            _ONLY_HYBRID,
            field=".warmStartFrom",
        ),
        rule(
            "!has(self.initialConfigs) || self.initialConfigs.size() == 0 ||"
            " !has(self.algorithm) || self.algorithm.name != 'Grid'",
            _NOT_GRID,
            field=".initialConfigs",
        ),
        rule(
            "!has(self.algorithm) || self.algorithm.name != 'CmaEs' || self.parameters.exists(p, !has(p.categorical))",
            "CmaEs needs a float or int parameter: use TPE",
            field=".parameters",
        ),
        rule(
            "self.objectives.size() == 1 || !has(self.algorithm) || self.algorithm.name != 'CmaEs'",
            _ONE_FOR_CMA_ES,
            field=".algorithm",
        ),
        rule(
            "self.objectives.size() == 1 || !has(self.budget) || !has(self.budget.acceptableRegret)",
            _ONE_FOR_REGRET,
            field=".budget.acceptableRegret",
        ),
        rule(
            "self.objectives.size() == 1 || !has(self.pruning) ||"
            f" !(self.pruning.name in {_NAMES} || has(self.pruning.patient) && has(self.pruning.patient.pruner)"
            f" && self.pruning.patient.pruner.name in {_NAMES})",
            _ONE_FOR_PRUNING,
            field=".pruning",
        ),
        rule(
            "self.objectives.size() == 1 || !has(self.pruning) || !has(self.pruning.patient) ||"
            " self.pruning.patient.minDelta == 0.0",
            _ONE_FOR_DELTA,
            field=".pruning.patient.minDelta",
        ),
        rule(
            "!has(self.execution) || !has(self.execution.workers) || !has(self.budget) ||"
            " !has(self.budget.parallelTrials) || self.execution.workers <= self.budget.parallelTrials",
            "execution.workers must not be more than budget.parallelTrials: the others would have nothing to do",
            field=".execution.workers",
        ),
        rule(
            "!has(self.execution) || !has(self.execution.engine) || self.execution.engine != 'Process' ||"
            " !has(self.trial.resources) || !has(self.trial.resources.gpu) ||"
            " self.trial.resources.gpu == 0.0 || self.trial.resources.gpu >= 1.0",
            "a fraction of a gpu needs the engine RayTune: set execution.engine to RayTune or Auto",
            field=".trial.resources.gpu",
        ),
    )

    objectives: Annotated[
        list[Objective],
        Field(
            min_length=1,
            max_length=MAX_OBJECTIVES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metric"]},
        ),
    ]
    """What is better. A trial must report the metric of each. Of several, the search is for the trials that none is
    better than in every respect: the Pareto front."""
    parameters: Annotated[
        list[Parameter],
        Field(
            min_length=1,
            max_length=MAX_PARAMETERS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """The search space."""
    constraints: Annotated[
        list[Constraint],
        Field(
            max_length=MAX_CONSTRAINTS,
            default_factory=list,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """What trials must keep."""
    algorithm: Annotated[Algorithm, Field(default_factory=Algorithm)]
    """How the next parameters are chosen."""
    initial_configs: Annotated[list[InitialConfig], Field(max_length=MAX_INITIAL_CONFIGS, default_factory=list)]
    """The first trials, in this order: what is in use today, or known to be good."""
    warm_start_from: Annotated[list[EarlierSearch], Field(max_length=MAX_EARLIER_SEARCHES, default_factory=list)]
    """Earlier searches of a similar problem that Hybrid learns from, by the names of parameters. While the results
    contradict what they made expect, they are left out."""
    pruning: Pruning | None = None
    """Ends trials early whose intermediate values look bad; of several objectives, those that look so in each of them
    and in their weighted mean. Unset: none is ended."""
    budget: Annotated[Budget, Field(default_factory=Budget)]
    """When the search is over."""
    trial: Trial
    """How one set of parameters is evaluated."""
    execution: Annotated[Execution, Field(default_factory=Execution)]
    """Where and by what trials run."""
    storage: Annotated[Storage, Field(default_factory=Storage)]
    """Where the trials are kept."""
    suspend: bool = False
    """Stops the search and frees its resources; `false` again goes on from where it was."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=10 * 365 * 86_400)] | None = None
    """The job deletes itself so many seconds after its end. Unset: it stays."""

    @field_validator("objectives")
    @classmethod
    def _metrics_are_unique(cls, objectives: list[Objective]) -> list[Objective]:
        refuse_duplicates([objective.metric for objective in objectives])
        return objectives

    @field_validator("parameters")
    @classmethod
    def _parameter_names_are_unique(cls, parameters: list[Parameter]) -> list[Parameter]:
        refuse_duplicates([parameter.name for parameter in parameters])
        check_conditions(parameters)
        return parameters

    @field_validator("constraints")
    @classmethod
    def _constraint_names_are_unique(cls, constraints: list[Constraint]) -> list[Constraint]:
        refuse_duplicates([constraint.name for constraint in constraints])
        return constraints

    @model_validator(mode="after")
    def _constraints_name_parameters(self) -> Self:
        for constraint in self.constraints:
            constraint.check_names([parameter.name for parameter in self.parameters])
        return self

    @model_validator(mode="after")
    def _beginnings_fit(self) -> Self:
        if self.warm_start_from and self.algorithm.name != "Hybrid":
            raise ValueError(_ONLY_HYBRID)
        if self.initial_configs and self.algorithm.name == "Grid":
            raise ValueError(_NOT_GRID)
        for config in self.initial_configs:
            config.check(self.parameters)
        return self

    @model_validator(mode="after")
    def _grid_is_finite(self) -> Self:
        if self.algorithm.name != "Grid":
            return self
        size = 1.0
        for parameter in self.parameters:
            size *= parameter.grid_size()
        if size == float("inf"):
            raise ValueError("Grid needs a step on every float parameter")
        if size > MAX_GRID:
            raise ValueError(f"the grid has {size:.0f} combinations, more than {MAX_GRID}: raise a step or use TPE")
        return self

    @model_validator(mode="after")
    def _evolution_has_a_direction(self) -> Self:
        if self.algorithm.name == "CmaEs" and all(parameter.categorical for parameter in self.parameters):
            raise ValueError("CmaEs needs a float or int parameter: use TPE")
        return self

    @model_validator(mode="after")
    def _objectives_suit_the_rest(self) -> Self:
        if len(self.objectives) == 1:
            return self
        if self.algorithm.name == "CmaEs":
            raise ValueError(_ONE_FOR_CMA_ES)
        if self.budget.acceptable_regret is not None:
            raise ValueError(_ONE_FOR_REGRET)
        if self.pruning:
            patient = self.pruning.patient
            names = {self.pruning.name, patient.pruner.name if patient and patient.pruner else ""}
            if names & set(ONE_OBJECTIVE_ONLY):
                raise ValueError(_ONE_FOR_PRUNING)
            if patient and patient.min_delta:
                raise ValueError(_ONE_FOR_DELTA)
        return self

    @model_validator(mode="after")
    def _execution_fits(self) -> Self:
        if self.execution.workers > self.budget.parallel_trials:
            raise ValueError(
                "execution.workers must not be more than budget.parallelTrials: the others would have nothing to do"
            )
        if self.execution.engine == "Process" and self.trial.resources.shares_gpu:
            raise ValueError("a fraction of a gpu needs the engine RayTune: set execution.engine to RayTune or Auto")
        return self

    @model_validator(mode="after")
    def _placeholders_name_parameters(self) -> Self:
        names = [parameter.name for parameter in self.parameters]
        for argument in self.trial.command.argv if self.trial.command else ():
            for name in PLACEHOLDER.findall(argument):
                if name not in names:
                    raise ValueError(f"trial.command.argv: $(params.{name}): {PLACEHOLDER_NAMES}: {', '.join(names)}")
        return self


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
    """Its share; those of all parameters sum up to 1."""


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
    """Which parameters decide about the value, or about reaching the Pareto front, by PED-ANOVA, the weightiest first;
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


class TuningJob(Model):
    """Searches the parameters of a program for the best values of its objectives."""

    rules: ClassVar = (
        rule("self.metadata.name.size() <= 63", "the name may have at most 63 characters"),
        *(
            fixed_after_start("TuningJob", field)
            for field in (
                "objectives",
                "parameters",
                "initialConfigs",
                "warmStartFrom",
                "constraints",
                "algorithm",
                "pruning",
                "trial",
                "execution",
                "storage",
            )
        ),
        rule(
            f"!({STARTED}) || self.spec.budget.maxTrials >= oldSelf.spec.budget.maxTrials",
            "maxTrials may only grow after the job has started",
            field=".spec.budget.maxTrials",
        ),
        rule(
            f"!({STARTED}) || self.spec.budget.parallelTrials <= oldSelf.spec.budget.parallelTrials",
            "parallelTrials may not grow after the job has started: its pod is sized for it",
            field=".spec.budget.parallelTrials",
        ),
        rule(
            f"!({FINISHED}) || self.spec.budget == oldSelf.spec.budget",
            "budget cannot change after the job has ended: create another TuningJob",
            field=".spec.budget",
        ),
    )

    api_version: Literal["afina.dev/v1alpha1"]
    """Version of the API."""
    kind: Literal["TuningJob"]
    """Kind of the object."""
    metadata: Metadata
    """Kubernetes' own metadata."""
    spec: TuningJobSpec
    """What to search, with which budget, and how one trial runs."""
    status: TuningJobStatus | None = None
    """What the operator and the driver observed."""
