"""Every reason that a condition or a failed trial may carry, and what it means.

The operator and the driver may use no other word; the reference in `docs/` is made from these texts.
"""

from enum import StrEnum
from typing import Self


class _Documented(StrEnum):
    """A word and its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Reason(_Documented):
    """Why a TuningJob's `Succeeded` condition is what it is."""

    PENDING = "Pending", "Unknown: the driver's pod has not started yet; the message says what it waits for."
    RUNNING = "Running", "Unknown: the search is under way."
    RESTARTING = "Restarting", "Unknown: the driver's pod died and is started again; finished trials are kept."
    SUSPENDED = "Suspended", "Unknown: `spec.suspend` is true."

    MAX_TRIALS_REACHED = "MaxTrialsReached", "True: `budget.maxTrials` trials have ended."
    TARGET_REACHED = "TargetReached", "True: a trial is at least as good as the objective's `target`."
    TIMEOUT_REACHED = "TimeoutReached", "True: `budget.timeoutSeconds` have passed and a trial has succeeded."
    SPACE_EXHAUSTED = "SpaceExhausted", "True: the grid has no combination left."

    TOO_MANY_FAILED_TRIALS = "TooManyFailedTrials", "False: more trials failed than `budget.maxFailedTrials`."
    NO_TRIAL_SUCCEEDED = "NoTrialSucceeded", "False: the budget is spent and no trial has a value."
    INVALID_OBJECTIVE = "InvalidObjective", "False: the objective cannot be loaded; no trial was spent on it."
    STORAGE_FULL = "StorageFull", "False: the study's volume is full."
    INVALID_SPEC = "InvalidSpec", "False: the spec says something that the schema cannot check."
    NAME_CONFLICT = "NameConflict", "False: an object that the job needs exists already and is not its own."
    IMAGE_UNAVAILABLE = "ImageUnavailable", "False: the image cannot be pulled."
    POD_CANNOT_START = "PodCannotStart", "False: the pod cannot be created or configured, say for a missing ConfigMap."
    DRIVER_FAILED = "DriverFailed", "False: the driver's pod failed again and again."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "False: the job did not end within its timeout and a grace period."


class TrialReason(_Documented):
    """Why a trial failed."""

    METRIC_MISSING = "MetricMissing", "It ended well but reported no value of the objective's metric."
    NOT_A_NUMBER = "NotANumber", "The value it reported is NaN, infinite or no number."
    EXIT_CODE = "ExitCode", "Its program exited with a code other than 0."
    EXCEPTION = "Exception", "Its Python function raised an exception."
    TIMEOUT = "Timeout", "It took longer than `trial.timeoutSeconds`."
    OUT_OF_MEMORY = "OutOfMemory", "The kernel killed it for using more memory than the pod has."
    KILLED = "Killed", "A signal ended it."
    CANNOT_START = "CannotStart", "Its program does not exist or may not be executed."
    INTERRUPTED = "Interrupted", "The driver died with it more than once."
