"""TuningJob: searches the parameters of a program for the best values of its objectives."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from afina_api.algorithm import Algorithm
from afina_api.base import (
    FINISHED,
    STARTED,
    DnsSubdomain,
    Metadata,
    Model,
    Volume,
    fixed_after_start,
    refuse_duplicates,
    rule,
)
from afina_api.beginnings import MAX_EARLIER_SEARCHES, MAX_INITIAL_CONFIGS, EarlierSearch, InitialConfig
from afina_api.budget import Budget
from afina_api.constraints import MAX_CONSTRAINTS, Constraint
from afina_api.execution import Execution
from afina_api.objective import Objective
from afina_api.parameters import MAX_PARAMETERS, Parameter, check_conditions
from afina_api.population import RULES as POPULATION_RULES
from afina_api.population import check_population
from afina_api.pruning import ONE_OBJECTIVE_ONLY, Pruning
from afina_api.trial import PLACEHOLDER, Trial
from afina_api.tuningstatus import TuningJobStatus

MAX_OBJECTIVES = 4
MAX_GRID = 100_000
PLACEHOLDER_NAMES = "$(params.NAME) must name a parameter of the spec"

_ONLY_HYBRID = "warmStartFrom needs algorithm.name Hybrid: no other learns from earlier searches"
_NOT_GRID = "Grid tries every combination: remove initialConfigs"
_NAMES = list(ONE_OBJECTIVE_ONLY)
_ONE_FOR_CMA_ES = "CmaEs knows one objective only: use Hybrid, TPE or NSGAII"
_ONE_FOR_REGRET = "acceptableRegret is of one objective only: use maxTrialsWithoutImprovement"
_ONE_FOR_PRUNING = (
    f"{', '.join(ONE_OBJECTIVE_ONLY)} know one objective only: use Median, Percentile or Wilcoxon, or Patient of them"
)
_ONE_FOR_DELTA = "minDelta is of one objective only: remove it"


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
        *POPULATION_RULES,
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
    def _population_is_whole(self) -> Self:
        check_population(self)
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


class TuningJob(Model):
    """Searches the parameters of a program for the best values of its objectives."""

    rules: ClassVar = (
        rule("self.metadata.name.size() <= 63", "the name may have at most 63 characters"),
        *(
            fixed_after_start("TuningJob", field)
            for field in (
                "objectives",
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
