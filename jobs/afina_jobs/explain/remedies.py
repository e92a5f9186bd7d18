"""What to do next, by the reason of a condition. `{name}` and `{kind}` stand for the object."""

from collections.abc import Mapping
from typing import Any

from afina_api.reasons import AutoMLReason, DatasetReason, Reason, ServingReason

_AGAIN = "correct it and apply it again; of a job that has started, delete it first or take another name"
_SHOWN = "`kubectl describe {kind} {name}` shows what it found"
_COMMON: Mapping[Any, str] = {
    Reason.INVALID_SPEC: f"Do what the message says: {_AGAIN}.",
    Reason.NAME_CONFLICT: "Delete the object that the message names if nobody needs it, or choose another name.",
    Reason.IMAGE_UNAVAILABLE: "Correct the image, or push it; then delete {kind} {name} and apply it again.",
    Reason.POD_CANNOT_START: "Create what the message names; then delete {kind} {name} and apply it again.",
    Reason.STORAGE_FULL: "Ask for a larger volume (its size is in the spec) under another name, or free some room.",
    Reason.DRIVER_FAILED: "See the driver's log; then delete {kind} {name} and apply it again.",
    Reason.DEADLINE_EXCEEDED: "See the driver's log for what hung; raise the time in the budget of another.",
    Reason.PENDING: "Wait, and look again: it starts without being asked.",
    Reason.RESTARTING: "Wait, and look again: it goes on without being asked.",
    Reason.RUNNING: "Nothing: it works.",
}
_RESULTS = "See `afina results tuningjob {name}` and `afina plot tuningjob {name} -o plots.html`"
_TUNING = {
    Reason.MAX_TRIALS_REACHED: f"{_RESULTS}.",
    Reason.TARGET_REACHED: f"{_RESULTS}.",
    Reason.SPACE_EXHAUSTED: f"{_RESULTS}.",
    Reason.NO_IMPROVEMENT: f"{_RESULTS}; more patience: maxTrialsWithoutImprovement in another TuningJob.",
    Reason.REGRET_ACCEPTABLE: f"{_RESULTS}.",
    Reason.TIMEOUT_REACHED: f"{_RESULTS}. More time: a larger budget.timeoutSeconds in another TuningJob.",
    Reason.TOO_MANY_FAILED_TRIALS: "Correct what makes trials fail, in another TuningJob.",
    Reason.NO_TRIAL_SUCCEEDED: "Correct what keeps trials from a value, or prune later, in another TuningJob.",
    Reason.INVALID_OBJECTIVE: "Correct the code or spec.trial; then delete tj {name} and apply it again.",
    Reason.SUSPENDED: 'Go on: `kubectl patch {kind} {name} --type=merge -p \'{{"spec":{{"suspend":false}}}}\'`.',
}
_AUTOML = {
    AutoMLReason.MODEL_READY: f"{_SHOWN}; a ModelDeployment serves the model.",
    AutoMLReason.LEAKAGE_FOUND: "Leave the columns out that the message names, or allow them in the spec.",
    AutoMLReason.TARGET_MISSING: "Correct spec.target: the Dataset's columns are in its report.",
    AutoMLReason.TARGET_UNUSABLE: "Choose another spec.target or spec.task.",
    AutoMLReason.DATASET_TOO_SMALL: "Give a Dataset with more rows, or ask for fewer folds.",
    AutoMLReason.DATASET_NOT_READY: "See `afina explain dataset NAME` for the one that spec.datasetRef names.",
    AutoMLReason.DATASET_UNREADABLE: "Make the Dataset again: its volume is lost or damaged.",
    AutoMLReason.NO_MODEL_SUCCEEDED: "See the leaderboard and the driver's log for why each of them failed.",
    AutoMLReason.CONSTRAINTS_UNMET: "Loosen spec.constraints, or give more time in spec.budget.",
    AutoMLReason.PARITY_BROKEN: "Leave out the family of models that the message names, and report it: it is a fault.",
    AutoMLReason.REGISTRATION_FAILED: "See whether MLflow answers; then delete aml {name} and apply it again.",
    AutoMLReason.SUSPENDED: _TUNING[Reason.SUSPENDED],
}
_DATASET = {
    DatasetReason.ACCEPTED: f"Use it: spec.datasetRef of an AutoMLJob. {_SHOWN}.",
    DatasetReason.VALIDATION_FAILED: "Correct the data or the rule in spec.validation; a new version needs a new name.",
    DatasetReason.SOURCE_UNAVAILABLE: "See that the source answers; then delete mlds {name} and apply it again.",
    DatasetReason.SOURCE_NOT_ALLOWED: "Have the host allowed in the chart's values, or correct credentials or address.",
    DatasetReason.UNREADABLE_DATA: "Correct spec.format, or the file where the message says.",
    DatasetReason.TOO_LARGE: "Split the data, or leave out what the message names.",
}
_SERVING = {
    ServingReason.SERVING: "Nothing: it serves.",
    ServingReason.STARTING: "Wait, and look again; `kubectl describe pods -l afina.dev/modeldeployment={name}`.",
    ServingReason.NOT_READY: "See `kubectl logs -l afina.dev/modeldeployment={name} --tail=50`.",
    ServingReason.GATEWAY_MISSING: "Create the Gateway, or correct spec.endpoint.gatewayRef.",
    ServingReason.ROUTE_NOT_ACCEPTED: "See `kubectl describe httproute {name}`: correct spec.endpoint, or the Gateway.",
    ServingReason.MODEL_UNAVAILABLE: "Correct spec.model, or see whether the registry answers.",
    ServingReason.INVALID_SPEC: "Do what the message says and apply it again; what is served goes on.",
    ServingReason.STABLE: "Nothing: it serves.",
    ServingReason.CANARY_STARTING: "Wait, and look again; `kubectl describe pods -l afina.dev/modeldeployment={name}`.",
    ServingReason.IN_STEP: "Wait, or `afina promote {name}`, `afina abort {name}`.",
    ServingReason.PAUSED: "Go on: `afina resume {name}`; or give it up: `afina abort {name}`.",
    ServingReason.GATE_CLOSED: "Open the gate: `afina approve {name}`; or give it up: `afina abort {name}`.",
    ServingReason.ROLLED_BACK: "Name another model, or `afina retry {name}`.",
    ServingReason.TOO_FEW_SAMPLES: "Send it more traffic, lower minSamples, or decide: `afina skip {name}`.",
    ServingReason.UNDECIDED: "Wait for more requests, or decide: `afina skip {name}`, `afina abort {name}`.",
    ServingReason.METRICS_UNREAD: "See whether the operator reaches the pods: NetworkPolicies, the operator's log.",
    ServingReason.DECIDED: "Nothing.",
    ServingReason.JUDGE_FAILED: "Name a better model, loosen spec.rollout.judge, or `afina retry {name}`.",
    ServingReason.CRASH_LOOP: "See the log of the canary's pods; name another model, or `afina retry {name}`.",
    ServingReason.CANARY_NOT_READY: "See the log of the canary's pods; name another model, or `afina retry {name}`.",
    ServingReason.PROGRESS_DEADLINE_EXCEEDED: "See why its pods do not start; then `afina retry {name}`.",
    ServingReason.ABORTED: "Name another model, or `afina retry {name}`.",
    ServingReason.NOTHING_REJECTED: "Nothing.",
}
_SPECIAL: Mapping[str, Mapping[Any, str]] = {
    "TuningJob": _TUNING,
    "AutoMLJob": _AUTOML,
    "Dataset": _DATASET,
    "ModelDeployment": _SERVING,
}


def remedy(kind: str, reason: str, name: str, short: str) -> str:
    """What to do about an object of that kind whose condition has that reason.

    Args:
        kind: such as `TuningJob`.
        reason: of the condition; a word that is none of ours has no remedy but to be read.
        name: of the object.
        short: name of the kind that kubectl knows.
    """
    step = _SPECIAL[kind].get(reason) or _COMMON.get(reason) or "See `kubectl describe {kind} {name}`."
    return step.format(name=name, kind=short)
