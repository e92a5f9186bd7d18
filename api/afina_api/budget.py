"""When a search is over."""

from typing import Annotated

from pydantic import Field

from afina_api.base import Model

MAX_TRIALS = 10_000


class Budget(Model):
    """When the search is over. All its ends are here, since all may be moved while the job runs."""

    max_trials: Annotated[int, Field(ge=1, le=MAX_TRIALS)] = 20
    """So many trials are evaluated."""
    parallel_trials: Annotated[int, Field(ge=1, le=64)] = 1
    """So many of them at a time. The pod's resources are sized for it: where it grows while the job runs, the driver is
    replaced by one with more room, to which the running trials are handed over."""
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
