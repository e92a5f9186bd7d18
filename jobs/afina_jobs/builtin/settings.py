"""What may be set on the built-in objectives, checked before any of their libraries is loaded."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from afina_api.base import Model
from afina_api.tuningjob import TuningJobSpec

Metric = Literal["accuracy", "auc", "logloss", "rmse", "mae", "r2"]

CLASSIFIED = {"breast_cancer": 2, "wine": 3, "digits": 10}
"""Data sets with classes, and how many."""
TUNABLE = (
    "booster",
    "colsample_bylevel",
    "colsample_bynode",
    "colsample_bytree",
    "gamma",
    "grow_policy",
    "learning_rate",
    "max_bin",
    "max_delta_step",
    "max_depth",
    "max_leaves",
    "min_child_weight",
    "n_estimators",
    "num_parallel_tree",
    "reg_alpha",
    "reg_lambda",
    "scale_pos_weight",
    "subsample",
    "tree_method",
)
"""Parameters of XGBoost's scikit-learn classes that may be searched."""


class BuiltinSettingsError(ValueError):
    """The spec asks a built-in objective for what it cannot do; the message says what is allowed."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path
        """Where in the TuningJob."""


class XGBoostCV(Model):
    """Settings of `xgboost-cv`."""

    dataset: Literal["breast_cancer", "wine", "digits", "diabetes"] = "breast_cancer"
    """A data set that ships with scikit-learn."""
    folds: Annotated[int, Field(ge=2, le=10)] = 3
    """Folds of the cross-validation. The running mean after each is an intermediate value."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """What can be measured on the data set."""
        classes = CLASSIFIED.get(self.dataset)
        if classes is None:
            return ("rmse", "mae", "r2")
        return ("accuracy", "logloss", "auc") if classes == 2 else ("accuracy", "logloss")


def check(spec: TuningJobSpec) -> XGBoostCV:
    """The settings of a spec with a built-in objective.

    Raises:
        BuiltinSettingsError: they are not what the objective knows.
    """
    config = spec.trial.builtin.config if spec.trial.builtin else {}
    try:
        found = XGBoostCV.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        allowed = ", ".join(sorted(XGBoostCV.model_fields))
        message = f"{first['msg']}, got {first['input']!r}; there are: {allowed}"
        raise BuiltinSettingsError(("spec", "trial", "builtin", "config", *first["loc"]), message) from error
    for index, objective in enumerate(spec.objectives):
        if objective.metric not in found.metrics:
            message = f"xgboost-cv on {found.dataset} measures {', '.join(found.metrics)}, not {objective.metric!r}"
            raise BuiltinSettingsError(("spec", "objectives", index, "metric"), message)
    for index, parameter in enumerate(spec.parameters):
        if parameter.name not in TUNABLE:
            message = f"xgboost-cv has no parameter {parameter.name!r}; it has {', '.join(TUNABLE)}"
            raise BuiltinSettingsError(("spec", "parameters", index, "name"), message)
    return found
