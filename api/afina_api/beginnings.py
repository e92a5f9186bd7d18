"""Where a search begins: parameters that are known to be good, and earlier searches."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from afina_api.base import LocalReference, Model, refuse_duplicates, rule
from afina_api.parameters import MAX_PARAMETERS, Parameter, ParameterValue

MAX_INITIAL_CONFIGS = 20
MAX_EARLIER_SEARCHES = 10
_SOURCE = "an earlier search is exactly one of tuningJobRef or mlflowExperiment"


class InitialConfig(Model):
    """Parameters of one trial."""

    params: Annotated[
        list[ParameterValue],
        Field(
            min_length=1,
            max_length=MAX_PARAMETERS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """A value for every parameter that a trial with these values has."""

    def check(self, parameters: Sequence[Parameter]) -> None:
        """Refuse what is no trial of the space.

        Raises:
            ValueError: the message names the parameter.
        """
        refuse_duplicates([given.name for given in self.params])
        given = {pair.name: pair.value for pair in self.params}
        there: dict[str, int | float | str | None] = {}
        for parameter in parameters:
            if parameter.is_there(there):
                if parameter.name not in given:
                    raise ValueError(f"initialConfigs: a value for {parameter.name} is missing")
                if not parameter.contains(given[parameter.name]):
                    raise ValueError(f"initialConfigs: {parameter.name} cannot be {given[parameter.name]!r}")
                there[parameter.name] = given[parameter.name]
        for name in given.keys() - there.keys():
            raise ValueError(f"initialConfigs: a trial with these values has no parameter {name}: remove it")


class EarlierSearch(Model):
    """A search whose trials are in MLflow."""

    rules: ClassVar = (rule("has(self.tuningJobRef) != has(self.mlflowExperiment)", _SOURCE),)

    tuning_job_ref: LocalReference | None = None
    """A TuningJob of the same namespace; it may be gone, its runs may not."""
    mlflow_experiment: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """Name of an experiment in MLflow, whose runs have parameters of the same names and the objective's metric."""

    @model_validator(mode="after")
    def _is_exactly_one(self) -> Self:
        if (self.tuning_job_ref is None) == (self.mlflow_experiment is None):
            raise ValueError(_SOURCE)
        return self
