"""What the parameters of a trial must keep among each other."""

from collections.abc import Iterator, Mapping, Sequence

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from afina_api.constraints import Constraint, names_in
from afina_jobs.contract import Value


class ConstraintError(Exception):
    """A constraint cannot be evaluated, or cannot be kept; the message says which and what to do."""


class Expressions:
    """The expressions of a spec's constraints.

    Whoever writes them runs programs in the same pod anyway; simpleeval keeps mistakes from doing more than mistakes.
    """

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        """Read them."""
        self._rules = [
            (rule.name, rule.expression, names_in(rule.expression)) for rule in constraints if rule.expression
        ]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rules)

    def __str__(self) -> str:
        """Their names."""
        return ", ".join(name for name, _, _ in self._rules)

    def hold(self, params: Mapping[str, Value]) -> bool:
        """Whether some parameters keep them all; one that names a parameter which is not there is kept.

        Raises:
            ConstraintError: one cannot be evaluated.
        """
        return all(_evaluate(name, text, params) for name, text, names in self._rules if names <= params.keys())


def violations(limits: Sequence[Constraint], metrics: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """By how much each limit is broken, by a name of its own; 0 or less where it is kept."""
    for limit in limits:
        value = metrics[str(limit.metric)]
        if limit.max is not None:
            yield f"{limit.name}:max", value - limit.max
        if limit.min is not None:
            yield f"{limit.name}:min", limit.min - value


def _evaluate(name: str, text: str, params: Mapping[str, Value]) -> bool:
    try:
        return bool(EvalWithCompoundTypes(names=params, functions={}).eval(text.strip()))
    except (InvalidExpression, ArithmeticError, TypeError, ValueError, KeyError) as error:
        message = f"spec.constraints: {name}: {text!r} cannot be evaluated for {dict(params)}: {error}"
        raise ConstraintError(message) from error
