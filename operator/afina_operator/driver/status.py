"""What an object's status says of the operator's part: conditions and times. The rest of it is the driver's."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from afina_operator.conditions import Condition, Status, as_recorded, condition, generation, is_true, parse_time
from afina_operator.driver.kind import Kind
from afina_operator.plan import ApplyStatus
from afina_operator.resources import Json, bound, contains, dig

OWN_FIELDS = ("conditions", "startTime", "completionTime", "observedGeneration")


@dataclass(frozen=True)
class State:
    """How an object does."""

    summary: Status
    """Status of the condition that sums it up."""
    reason: str
    message: str
    running: bool = False
    suspended: bool = False

    @classmethod
    def recorded(cls, kind: Kind[Any], job: Json) -> Self | None:
        """The state that the status tells; None where it tells none that could be ours."""
        summary = condition(job, kind.summary)
        status, reason = summary.get("status"), summary.get("reason")
        if status not in ("True", "False", "Unknown") or reason not in list(kind.reasons):
            return None
        message = str(summary.get("message", ""))
        return cls(status, reason, message, is_true(job, "Running"), is_true(job, "Suspended"))

    @property
    def is_final(self) -> bool:
        """Whether the question that the summary asks is answered."""
        return self.summary != "Unknown"


def waits(reason: str, message: str, *, running: bool = False, suspended: bool = False) -> State:
    """A state on the way."""
    return State("Unknown", reason, message, running, suspended)


def failed(reason: str, message: str) -> State:
    """The bad end."""
    return State("False", reason, message)


def succeeded(reason: str, message: str) -> State:
    """The good end."""
    return State("True", reason, message)


def with_message(state: State, message: str) -> State:
    """The same state, with something to say about it."""
    return replace(state, message=message)


def is_started(job: Json) -> bool:
    """Whether the work has begun, so that most of the spec is fixed."""
    return bool(dig(job, "status", "startTime"))


def has_report(job: Json) -> bool:
    """Whether a driver has written something."""
    status = dig(job, "status")
    return isinstance(status, dict) and not set(status) <= set(OWN_FIELDS)


def suspended(job: Json) -> bool:
    """Whether the spec asks for suspension, be the rest of it valid or not."""
    return dig(job, "spec", "suspend") is True


def is_over(job: Json) -> bool:
    """Whether the job has ended and all that follows from that is done."""
    return bool(dig(job, "status", "completionTime"))


def completion_time(job: Json) -> datetime | None:
    """When the job ended."""
    return parse_time(dig(job, "status", "completionTime"))


def record(
    kind: Kind[Any], job: Json, state: State, now: datetime, *, start: str | None = None, completion: str | None = None
) -> ApplyStatus | None:
    """The write that makes the status say so; None if it does already.

    A time once set is written again as it is, because what a server-side apply leaves out is removed.
    """
    conditions = [
        Condition(kind.summary, state.summary, state.reason, state.message),
        Condition("Running", "True" if state.running else "False", state.reason),
    ]
    if kind.can_be_suspended:
        conditions.append(Condition("Suspended", "True" if state.suspended else "False", state.reason))
    times = {
        "startTime": dig(job, "status", "startTime") or start,
        "completionTime": dig(job, "status", "completionTime") or completion,
    }
    status: Json = {
        "observedGeneration": generation(job),
        "conditions": as_recorded(job, conditions, now),
        **{name: time for name, time in times.items() if time},
    }
    if _says(job, status):
        return None
    metadata = {name: job["metadata"][name] for name in ("name", "namespace")}
    own = {"apiVersion": job["apiVersion"], "kind": job["kind"], "metadata": metadata, "status": status}
    return ApplyStatus(bound(own, job))


def _says(job: Json, status: Json) -> bool:
    recorded = {key: dig(job, "status", key) for key in status}
    recorded["conditions"] = [condition(job, one["type"]) for one in status["conditions"]]
    return contains(recorded, status)
