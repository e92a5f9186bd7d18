"""Every reason that a condition or a failed trial may carry, and what it means.

The operator and the driver may use no other word; the reference in `docs/` is made from these texts.
"""

from enum import StrEnum
from typing import Self


class Documented(StrEnum):
    """A word and its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Reason(Documented):
    """Why a TuningJob's `Succeeded` condition is what it is."""

    PENDING = "Pending", "Unknown: the driver's pod has not started yet; the message says what it waits for."
    RUNNING = "Running", "Unknown: the search is under way."
    RESTARTING = "Restarting", "Unknown: the driver's pod died and is started again; finished trials are kept."
    SUSPENDED = "Suspended", "Unknown: `spec.suspend` is true."

    MAX_TRIALS_REACHED = "MaxTrialsReached", "True: `budget.maxTrials` trials have ended."
    TARGET_REACHED = "TargetReached", "True: a trial is at least as good as the objective's `target`."
    TIMEOUT_REACHED = "TimeoutReached", "True: `budget.timeoutSeconds` have passed and a trial has succeeded."
    SPACE_EXHAUSTED = "SpaceExhausted", "True: the grid has no combination left."
    NO_IMPROVEMENT = (
        "NoImprovement",
        "True: `budget.maxTrialsWithoutImprovement` trials in a row were not better than the best.",
    )
    REGRET_ACCEPTABLE = (
        "RegretAcceptable",
        "True: the best value is likely to be within `budget.acceptableRegret` of the best that there is.",
    )

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


class TrialReason(Documented):
    """Why a trial failed."""

    METRIC_MISSING = "MetricMissing", "It ended well but reported no value of the objective's metric."
    NOT_A_NUMBER = "NotANumber", "The value it reported is NaN, infinite or no number."
    EXIT_CODE = "ExitCode", "Its program exited with a code other than 0."
    EXCEPTION = "Exception", "Its Python function raised an exception."
    TIMEOUT = "Timeout", "It took longer than `trial.timeoutSeconds`."
    OUT_OF_MEMORY = "OutOfMemory", "The kernel killed it for using more memory than the pod has."
    KILLED = "Killed", "A signal ended it."
    CANNOT_START = "CannotStart", "Its program does not exist or may not be executed."
    INTERRUPTED = "Interrupted", "It was lost with its driver, or with its worker, more than twice."
    CHECKPOINT_LOST = "CheckpointLost", "Under PBT: its checkpoint, or its parent's, could not be copied."


class RetryReason(Documented):
    """Why a trial was run again, under its own number and from its checkpoint."""

    DRIVER_STOPPED = (
        "DriverStopped",
        "Its driver was told to stop: the job was suspended, its pod evicted, or replaced by one with more room.",
    )
    DRIVER_LOST = "DriverLost", "Its driver died, alone, with its pod, or with its node; twice at most."
    WORKER_LOST = "WorkerLost", "The worker of the Ray cluster that ran it was lost; twice at most."
    RAY_LOST = "RayLost", "Ray ended as a whole, say with the head of its cluster."
    OUT_OF_MEMORY = "OutOfMemory", "It ran out of memory beside others, and had the pod for itself then; once."


class DatasetReason(Documented):
    """Why a Dataset's `Ready` condition is what it is."""

    PENDING = "Pending", "Unknown: the reading pod has not started yet; the message says what it waits for."
    RUNNING = "Running", "Unknown: the data is being read."
    RESTARTING = "Restarting", "Unknown: the reading pod died and is started again, from the beginning."

    ACCEPTED = "Accepted", "True: the data is read, and no rule of severity Error fails."

    VALIDATION_FAILED = "ValidationFailed", "False: a rule of severity Error fails, or no row is accepted."
    SOURCE_UNAVAILABLE = "SourceUnavailable", "False: the source is not there, or does not answer after several tries."
    SOURCE_NOT_ALLOWED = "SourceNotAllowed", "False: the source's host or address may not be read, or access is denied."
    UNREADABLE_DATA = "UnreadableData", "False: the bytes are not what `spec.format` says; the message tells where."
    TOO_LARGE = "TooLarge", "False: the data is over a limit: bytes, columns, the length of a row, or its expansion."
    STORAGE_FULL = "StorageFull", "False: the volume, or the node's disk, is full."
    INVALID_SPEC = "InvalidSpec", "False: the spec says something that the schema cannot check."
    NAME_CONFLICT = "NameConflict", "False: an object that the job needs exists already and is not its own."
    IMAGE_UNAVAILABLE = "ImageUnavailable", "False: the image cannot be pulled."
    POD_CANNOT_START = "PodCannotStart", "False: the pod cannot be created or configured, say for a missing ConfigMap."
    DRIVER_FAILED = "DriverFailed", "False: the reading pod failed again and again, say for lack of memory."


class RejectReason(Documented):
    """Why a row or an image of a Dataset was left out."""

    RAGGED_ROW = "RaggedRow", "It has more or fewer values than there are columns."
    INVALID_JSON = "InvalidJSON", "The line is no JSON object."
    NUL_BYTE = "NulByte", "A value holds the character NUL, which text may not."
    WRONG_TYPE = "WrongType", "A value cannot be read as the type that is declared for its column."
    NOT_FINITE = "NotFinite", "A number is infinite, or too large for 64 bits."
    BELOW_MINIMUM = "BelowMinimum", "A value is less than a rule's `min`."
    ABOVE_MAXIMUM = "AboveMaximum", "A value is greater than a rule's `max`."
    NOT_ALLOWED = "NotAllowed", "A value is not among a rule's `allowed`."
    NOT_UNIQUE = "NotUnique", "A value that must be unique is in an accepted row above already."

    MISSING_FILE = "MissingFile", "The labels name a file that is not there, or none."
    UNLABELLED = "Unlabelled", "There is an image that the labels do not name."
    UNREADABLE_IMAGE = "UnreadableImage", "The file is no JPEG, PNG, WebP, TIFF or BMP, or it is damaged or cut off."
    TOO_MANY_PIXELS = "TooManyPixels", "The image says it has over 100 million pixels; it was not decoded."
    TOO_SMALL = "TooSmall", "The image is narrower than `minWidth` or lower than `minHeight`."
    LOW_QUALITY = "LowQuality", "The mean of sharpness, exposure and white balance is less than `minQuality`."
    DUPLICATE_IMAGE = "DuplicateImage", "It looks the same as an accepted image above, or it is named twice."


class AutoMLReason(Documented):
    """Why an AutoMLJob's `Succeeded` condition is what it is."""

    PENDING = "Pending", "Unknown: the driver's pod has not started yet; the message says what it waits for."
    RUNNING = "Running", "Unknown: models are being fitted."
    RESTARTING = "Restarting", "Unknown: the driver's pod died and is started again; fitted models are kept."
    SUSPENDED = "Suspended", "Unknown: `spec.suspend` is true."

    MODEL_READY = "ModelReady", "True: a model is chosen, exported and, where asked for, registered."

    LEAKAGE_FOUND = "LeakageFound", "False: columns tell the target or the future; the message names them."
    TARGET_MISSING = "TargetMissing", "False: the Dataset has no column of the target's name."
    TARGET_UNUSABLE = "TargetUnusable", "False: the target has one value only, or does not suit the task."
    DATASET_TOO_SMALL = "DatasetTooSmall", "False: there are too few rows, groups or moments for the folds."
    DATASET_NOT_READY = "DatasetNotReady", "False: the Dataset is not Ready, and will not be: the message tells why."
    DATASET_UNREADABLE = "DatasetUnreadable", "False: the Dataset's volume cannot be read."
    NO_MODEL_SUCCEEDED = "NoModelSucceeded", "False: no model could be fitted; the leaderboard says why."
    CONSTRAINTS_UNMET = "ConstraintsUnmet", "False: no model is as small and as fast as `spec.constraints` asks."
    PARITY_BROKEN = "ParityBroken", "False: the exported model does not predict as the fitted one does."
    REGISTRATION_FAILED = "RegistrationFailed", "False: MLflow did not take the model; it is on the volume."
    STORAGE_FULL = "StorageFull", "False: the job's volume is full."
    INVALID_SPEC = "InvalidSpec", "False: the spec says something that the schema cannot check."
    NAME_CONFLICT = "NameConflict", "False: an object that the job needs exists already and is not its own."
    IMAGE_UNAVAILABLE = "ImageUnavailable", "False: the image cannot be pulled."
    POD_CANNOT_START = "PodCannotStart", "False: the pod cannot be created or configured."
    DRIVER_FAILED = "DriverFailed", "False: the driver's pod failed again and again."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "False: the job did not end within its budget and a grace period."


class ServingReason(Documented):
    """Why the conditions of a ModelDeployment are what they are."""

    SERVING = "Serving", "Ready is True: the stable revision answers, and the Gateway has taken the route."
    STARTING = "Starting", "Ready is False or Unknown: the first revision is not ready yet; the message says what for."
    NOT_READY = "NotReady", "Ready is False: no pod of the stable revision is ready."
    GATEWAY_MISSING = "GatewayMissing", "Ready is False: there is no such Gateway in the namespace."
    ROUTE_NOT_ACCEPTED = (
        "RouteNotAccepted",
        "Ready is False: the Gateway has not taken the route; the message tells why.",
    )
    MODEL_UNAVAILABLE = "ModelUnavailable", "The registry does not say what to serve; what is served goes on."
    INVALID_SPEC = "InvalidSpec", "The spec says something that the schema cannot check; what is served goes on."

    STABLE = "Stable", "Progressing is False: there is nothing to roll out."
    CANARY_STARTING = "CanaryStarting", "Progressing is True: the canary's pods are not ready yet."
    IN_STEP = "InStep", "Progressing is True: the rollout is at the step that the message names."
    PAUSED = "Paused", "Progressing is False: somebody said pause; `afina resume` goes on."
    GATE_CLOSED = "GateClosed", "Progressing is False: the step is a gate; `afina approve` opens it."
    ROLLED_BACK = "RolledBack", "Progressing is False: the wanted revision was rolled back; the condition tells why."

    TOO_FEW_SAMPLES = "TooFewSamples", "Inconclusive is True: a side has answered too few requests to judge."
    UNDECIDED = "Undecided", "Inconclusive is True: the evidence suffices neither to pass the canary nor to fail it."
    METRICS_UNREAD = "MetricsUnread", "Inconclusive is True: the servers' metrics could not be read."
    DECIDED = "Decided", "Inconclusive is False: there is nothing to decide, or it is decided."

    JUDGE_FAILED = "JudgeFailed", "RolledBack is True: the canary is worse than the margins allow."
    CRASH_LOOP = "CrashLoop", "RolledBack is True: the canary's servers do not stay."
    CANARY_NOT_READY = "CanaryNotReady", "RolledBack is True: the canary had traffic and none of its pods was ready."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "RolledBack is True: the canary was not ready in `rollout.progressDeadlineSeconds`.",
    )
    ABORTED = "Aborted", "RolledBack is True: somebody said abort."
    NOTHING_REJECTED = "NothingRejected", "RolledBack is False: the wanted revision was not rolled back."
