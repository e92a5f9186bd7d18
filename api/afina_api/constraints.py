"""What trials must keep: among their parameters, or in what they measure."""

import ast
from collections.abc import Collection
from typing import Annotated, ClassVar, Self

from pydantic import StringConstraints, model_validator

from afina_api.base import Model, rule
from afina_api.metrics import MetricName

MAX_CONSTRAINTS = 20
_KIND = "a constraint is either an expression, or a metric with min, max or both"


class Constraint(Model):
    """One thing that trials must keep."""

    rules: ClassVar = (
        rule("has(self.expression) != has(self.metric)", _KIND),
        rule("has(self.metric) == (has(self.min) || has(self.max))", _KIND),
        rule("!has(self.min) || !has(self.max) || self.min <= self.max", "min must not be above max", field=".max"),
    )

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    """What the constraint is called."""
    expression: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """Python over the parameters, such as `batch_size * width <= 65536`: no trial starts for which it is false. One
    that names a parameter which a trial does not have says nothing of it."""
    metric: MetricName | None = None
    """A metric that every trial reports beside its objectives. Trials that break the limit are worse than all that
    keep it, and the search learns to avoid them."""
    min: float | None = None
    """The metric must be at least this."""
    max: float | None = None
    """The metric must be at most this."""

    @model_validator(mode="after")
    def _is_exactly_one_kind(self) -> Self:
        if (self.expression is None) == (self.metric is None):
            raise ValueError(_KIND)
        if (self.metric is None) != (self.min is None and self.max is None):
            raise ValueError(_KIND)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be above max")
        return self

    def check_names(self, parameters: Collection[str]) -> None:
        """Refuse an expression that can never be evaluated.

        Raises:
            ValueError: it is no Python expression, or names something else than parameters.
        """
        if self.expression is None:
            return
        try:
            unknown = names_in(self.expression) - set(parameters)
        except SyntaxError as error:
            raise ValueError(f"constraint {self.name}: {self.expression!r} is not a Python expression") from error
        if unknown:
            names = ", ".join(sorted(unknown))
            raise ValueError(f"constraint {self.name}: {names}: no such parameter; there are {', '.join(parameters)}")


def names_in(expression: str) -> set[str]:
    """The names that a Python expression refers to.

    Raises:
        SyntaxError: it is none.
    """
    tree = ast.parse(expression.strip(), mode="eval")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
