"""How one set of parameters is evaluated."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, WithJsonSchema, field_validator, model_validator

from afina_api.base import LocalReference, Model, refuse_duplicates, rule
from afina_api.execution import TrialResources

PLACEHOLDER = re.compile(r"\$\(params\.([^)]*)\)")
"""A parameter's place in `trial.command.argv`, as Tekton writes it."""


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
