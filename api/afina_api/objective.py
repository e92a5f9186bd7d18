"""An objective of a search: a metric and which way is better."""

from typing import Annotated, Literal

from pydantic import Field

from afina_api.base import Model
from afina_api.metrics import MetricName


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

    @property
    def sign(self) -> int:
        """What makes a loss of a value of the metric: 1 to minimize it, -1 to maximize."""
        return 1 if self.goal == "Minimize" else -1
