"""Conditions after metav1.Condition, and the times and Events that go with them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from afina_operator.resources import Json, dig

MESSAGE_LIMIT = 4096
_EVENT_MESSAGE_LIMIT = 1024

Status = Literal["True", "False", "Unknown"]
EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True)
class Condition:
    """One aspect of an object's state, as it is now."""

    type: str
    status: Status
    reason: str
    message: str = ""


def condition(obj: Json | None, kind: str) -> Json:
    """The recorded condition of that type; empty if there is none."""
    found = dig(obj, "status", "conditions")
    entries = found if isinstance(found, list) else []
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("type") == kind), {})


def is_true(obj: Json | None, kind: str) -> bool:
    """Whether the object has that condition with status True."""
    return bool(condition(obj, kind).get("status") == "True")


def as_recorded(obj: Json, current: Iterable[Condition], now: datetime) -> list[Json]:
    """The conditions for the object's status; `lastTransitionTime` stays where the status stays."""
    return [_as_recorded(condition(obj, one.type), one, generation(obj), now) for one in current]


def _as_recorded(before: Json, one: Condition, seen: int, now: datetime) -> Json:
    same = before.get("status") == one.status and parse_time(before.get("lastTransitionTime")) is not None
    return {
        "type": one.type,
        "status": one.status,
        "reason": one.reason,
        "message": _cut(one.message, MESSAGE_LIMIT),
        "lastTransitionTime": before["lastTransitionTime"] if same else format_time(now),
        "observedGeneration": seen,
    }


def generation(obj: Json) -> int:
    """The object's `metadata.generation`."""
    return int(dig(obj, "metadata", "generation") or 0)


def event(obj: Json, kind: EventType, reason: str, message: str, now: datetime) -> Json:
    """An Event about the object. Its name follows from what it says, so saying it again makes no second one."""
    metadata = obj["metadata"]
    said = f"{metadata['uid']}/{generation(obj)}/{reason}/{message}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{hashlib.sha256(said.encode()).hexdigest()[:16]}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": kind,
        "reason": reason,
        "message": _cut(message, _EVENT_MESSAGE_LIMIT),
        "source": {"component": "afina-operator"},
        "firstTimestamp": format_time(now),
        "lastTimestamp": format_time(now),
        "count": 1,
    }


def format_time(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes metav1.Time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: object) -> datetime | None:
    """The moment that the text names; None if it names none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
