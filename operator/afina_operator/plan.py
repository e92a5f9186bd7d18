"""What a plan is: the writes that bring the world nearer to the spec, in their order, and when to look again.

Order matters, because each write may be the operator's last: what others need comes first, and what says that all
is done comes last.

A write that changes or deletes an object is bound to the very version that was seen: what was decided on an older one,
or on a predecessor of the same name, is refused with a conflict and decided again.
"""

from dataclasses import dataclass

from afina_operator.resources import Json


@dataclass(frozen=True)
class Create:
    """Makes an object that was not there. A conflict if it is there by now, whoever made it."""

    obj: Json


@dataclass(frozen=True)
class Apply:
    """Server-side apply onto an object that is there; its metadata is `bound`."""

    obj: Json


@dataclass(frozen=True)
class ApplyStatus:
    """Server-side apply onto the status of an object; its metadata is `bound`."""

    obj: Json


@dataclass(frozen=True)
class Patch:
    """Merge patch of the few fields that may change on an object which is not applied as a whole."""

    seen: Json
    changes: Json


@dataclass(frozen=True)
class Delete:
    """Deletes the object, and in the background what it owns."""

    seen: Json


@dataclass(frozen=True)
class Emit:
    """Tells people by an Event. Nothing depends on it, so its failure stops nothing."""

    event: Json


@dataclass(frozen=True)
class CountRollout:
    """Counts a rollout that has ended, in the operator's metrics, once what comes before is written."""

    result: str
    seconds: float


Write = Create | Apply | ApplyStatus | Patch | Delete | Emit | CountRollout


@dataclass(frozen=True)
class Plan:
    """The next step of one object."""

    writes: tuple[Write, ...] = ()
    again_after: float | None = None
    """Seconds until the object is looked at again, if nothing happens before."""
    state: str = ""
    """The object's state in one word, for the metrics."""
