"""The search space: a parameter of the spec as Optuna's distribution, and as the axis of a grid."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import cast

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from afina_api.constraints import Constraint
from afina_api.parameters import FloatRange, IntRange, Parameter
from afina_jobs.contract import Value
from afina_jobs.search.constraints import ConstraintError, Expressions

Distribution = CategoricalDistribution | IntDistribution | FloatDistribution


def distribution(parameter: Parameter) -> Distribution:
    """The parameter as Optuna's samplers know it."""
    if parameter.float_:
        log = parameter.float_.scale == "Log"
        return FloatDistribution(parameter.float_.min, _last(parameter.float_), log=log, step=parameter.float_.step)
    if parameter.int_:
        log = parameter.int_.scale == "Log"
        span = _integers(parameter.int_)
        return IntDistribution(span[0], span[-1], log=log, step=span.step)
    return CategoricalDistribution(parameter.categorical.choices if parameter.categorical else ())


class SearchSpace:
    """Parameters, the conditions under which each is there, and what they must keep among each other."""

    def __init__(self, parameters: Sequence[Parameter], constraints: Sequence[Constraint] = ()) -> None:
        """Read a spec.

        Raises:
            ArithmeticError: a step is too small for its range.
        """
        self.distributions = {parameter.name: distribution(parameter) for parameter in parameters}
        """Each parameter as Optuna's samplers know it, after those that it depends on."""
        self.constraints = Expressions(constraints)
        """What the parameters must keep."""
        self._conditional = {parameter.name: parameter for parameter in parameters if parameter.when}

    @property
    def conditional(self) -> bool:
        """Whether some trials lack a parameter."""
        return bool(self._conditional)

    @property
    def conditions(self) -> dict[str, list[tuple[str, list[Value]]]]:
        """By parameter that is not always there: those that it depends on, each with the values with which it is."""
        return {
            name: [(condition.parameter, list(condition.in_)) for condition in parameter.when]
            for name, parameter in self._conditional.items()
        }

    def choose(self, value: Callable[[str], Value]) -> dict[str, Value]:
        """The parameters of a trial, with the values of those that are there."""
        found: dict[str, Value] = {}
        for name in self.distributions:
            if self.has(name, found):
                found[name] = value(name)
        return found

    def there(self, params: Mapping[str, Value]) -> dict[str, Value]:
        """Those of some parameters, in the order of the space, that a trial with them has."""
        found: dict[str, Value] = {}
        for name, value in params.items():
            if self.has(name, found):
                found[name] = value
        return found

    def has(self, name: str, params: Mapping[str, Value]) -> bool:
        """Whether a trial with these parameters has another one, too."""
        return name not in self._conditional or self._conditional[name].is_there(params)

    def allows(self, params: Mapping[str, Value]) -> bool:
        """Whether the parameters keep all constraints.

        Raises:
            ConstraintError: one cannot be evaluated.
        """
        return self.constraints.hold(params)

    def refuse(self, given: Sequence[Mapping[str, Value]]) -> None:
        """Refuse given parameters that break a constraint.

        Raises:
            ConstraintError: some do.
        """
        for index, params in enumerate(given):
            if not self.allows(params):
                raise ConstraintError(f"spec.initialConfigs[{index}] breaks one of the constraints {self.constraints}")

    def suggest(self, trial: optuna.Trial) -> dict[str, Value]:
        """The trial's parameters. What was suggested before comes again."""
        return self.choose(lambda name: suggest(trial, name, self.distributions[name]))


def suggest(trial: optuna.Trial, name: str, found: Distribution) -> Value:
    """The trial's value of the parameter. One that was suggested before comes again."""
    if isinstance(found, FloatDistribution):
        return trial.suggest_float(name, found.low, found.high, step=found.step, log=found.log)
    if isinstance(found, IntDistribution):
        return trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
    return cast(Value, trial.suggest_categorical(name, found.choices))


def axis(parameter: Parameter) -> Sequence[Value]:
    """The values of the parameter that a grid combines; none for a float without a step."""
    if parameter.float_:
        return _steps(parameter.float_)
    if parameter.int_:
        return _integers(parameter.int_)
    return parameter.categorical.choices if parameter.categorical else ()


def _integers(span: IntRange) -> range:
    return range(span.min, span.max + 1, span.step or 1)


def _last(span: FloatRange) -> float:
    """Where the steps from min end: Optuna wants the range to be a whole number of them."""
    return _nth(span, _count(span) - 1) if span.step else span.max


def _steps(span: FloatRange) -> list[float]:
    return [_nth(span, index) for index in range(_count(span))] if span.step else []


def _count(span: FloatRange) -> int:
    return int((_decimal(span.max) - _decimal(span.min)) // _decimal(span.step or math.inf)) + 1


def _nth(span: FloatRange, index: int) -> float:
    return float(_decimal(span.min) + index * _decimal(span.step or 0))


def _decimal(value: float) -> Decimal:
    """The number as it was written, so that 0.1 + 0.2 is the 0.3 that people meant."""
    return Decimal(repr(value))
