"""An API server in memory. It implements the operator's `Cluster`, and no call of it ever has to wait."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from afina_operator.conditions import format_time
from afina_operator.errors import ConflictError, NotFoundError, RefusedError
from afina_operator.resources import EVENTS, JOBS, VOLUME_CLAIMS, Json, Ref, Resource, dig, ref

START = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR = "afina-operator"


@dataclass(frozen=True)
class Change:
    """One accepted write: who made it, and the object before and after (None: it is not there)."""

    by: str
    target: Ref
    before: Json | None
    after: Json | None


@dataclass
class ApiServer:
    """Objects, their versions, and the clock. Objects are never changed in place."""

    objects: dict[Ref, Json] = field(default_factory=dict)
    version: int = 1
    made: Mapping[Ref, int] = field(default_factory=dict)
    """How often an object of that name was made: the next one's uid."""
    said: frozenset[str] = frozenset()
    """Names of the Events; what they say decides nothing."""
    now: datetime = START
    over_quota: frozenset[Resource] = frozenset()
    """The operator may make no object of these kinds."""
    unknown: frozenset[Resource] = frozenset()
    """Kinds that nobody has installed."""
    check: Callable[["ApiServer", Change], None] | None = None
    """Called right after each accepted write; raises AssertionError where an invariant broke."""
    digests: dict[Ref, str] = field(default_factory=dict)
    """What each object says, its name among it, but for its version."""

    def copy(self) -> Self:
        """The same world, to take another step in."""
        return replace(self, objects=dict(self.objects), digests=dict(self.digests))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def moment(self) -> object:
        """Another one after whatever has happened to this world, be it undone."""
        return self.version, self.now, self.over_quota

    def state(self) -> object:
        """What the future depends on; versions are left out, since nothing is read across two steps."""
        return self.now, self.over_quota, frozenset(self.digests.values())

    # What the operator may call.

    async def get(self, target: Ref) -> Json | None:
        return self.objects.get(target)

    async def get_all(self, targets: Sequence[Ref]) -> Sequence[Json | None]:
        return [self.objects.get(target) for target in targets]

    async def exists(self, target: Ref) -> bool:
        return target in self.objects

    async def knows(self, resource: Resource) -> bool:
        return resource not in self.unknown

    async def find(self, resource: Resource, namespace: str, *, labels: str = "", fields: str = "") -> list[Json]:
        assert not fields or resource is EVENTS
        name, _, value = labels.partition("=")
        return [
            obj
            for target, obj in self.objects.items()
            if target.resource is resource
            and target.namespace == namespace
            and (not labels or dig(obj, "metadata", "labels", name) == value)
        ]

    async def create(self, obj: Json) -> Json:
        if ref(obj).resource in self.over_quota:
            raise RefusedError(f"{ref(obj)}: forbidden: exceeded quota")
        return self.make(obj, OPERATOR)

    async def apply(self, obj: Json) -> Json:
        target = ref(obj)
        existing = self._as_seen(target, obj["metadata"])
        merged = _merged(existing, {key: value for key, value in obj.items() if key != "metadata"})
        metadata = {key: value for key, value in obj["metadata"].items() if key not in ("uid", "resourceVersion")}
        metadata = _merged(existing["metadata"], metadata) | {"ownerReferences": _merged_owners(existing, obj)}
        return self._store(OPERATOR, target, {**merged, "metadata": metadata})

    async def apply_status(self, obj: Json) -> Json:
        return self.write_status(obj, OPERATOR)

    async def patch(self, seen: Json, changes: Json) -> Json:
        existing = self._as_seen(ref(seen), {"resourceVersion": seen["metadata"]["resourceVersion"]})
        return self._store(OPERATOR, ref(seen), _merged(existing, changes))

    async def delete(self, seen: Json) -> None:
        target = ref(seen)
        if target not in self.objects:
            raise NotFoundError(str(target))
        self._as_seen(target, seen["metadata"])
        self.remove(target, OPERATOR)

    # What everybody else does.

    def make(self, obj: Json, by: str) -> Json:
        """Make an object. Raises ConflictError if it exists."""
        target = ref(obj)
        if target.resource is EVENTS:
            self.said |= {target.name}
            return obj
        if target in self.objects:
            raise ConflictError(f"{target} exists already")
        count = self.made.get(target, 0) + 1
        self.made = {**self.made, target: count}
        system = {
            "uid": f"{target.resource.plural}/{target.name}/{count}",
            "generation": 1,
            "creationTimestamp": format_time(self.now),
        }
        return self._store(by, target, {**obj, "metadata": {**obj["metadata"], **system}})

    def edit(self, target: Ref, change: Callable[[Json], Json], by: str) -> None:
        """Replace an object by a changed copy of it."""
        self._store(by, target, change(self.objects[target]))

    def write_status(self, obj: Json, by: str) -> Json:
        """Server-side apply of a status, with force: only the version counts, a uid is ignored."""
        target = ref(obj)
        existing = self.objects.get(target)
        if existing is None:
            raise NotFoundError(str(target))
        marks = {"resourceVersion": obj["metadata"]["resourceVersion"]} if "resourceVersion" in obj["metadata"] else {}
        self._as_seen(target, marks)
        status, owners = _applied_status(existing, obj["status"], by)
        metadata = {**existing["metadata"], "managedFields": owners}
        return self._store(by, target, {**existing, "metadata": metadata, "status": status})

    def remove(self, target: Ref, by: str) -> None:
        """Remove an object at once."""
        before = self.objects.pop(target)
        del self.digests[target]
        self.version += 1
        self._changed(Change(by, target, before, None))

    def of(self, resource: Resource) -> list[Json]:
        """All objects of a kind, in a fixed order."""
        found = [target for target in self.objects if target.resource is resource]
        return [self.objects[target] for target in sorted(found, key=lambda one: one.name)]

    def _as_seen(self, target: Ref, marks: Json) -> Json:
        existing = self.objects.get(target)
        if existing is None:
            raise ConflictError(f"{target} is not there") if "uid" in marks else NotFoundError(str(target))
        for mark in ("uid", "resourceVersion"):
            if mark in marks and marks[mark] != existing["metadata"][mark]:
                raise ConflictError(f"{target} has another {mark}")
        return existing

    def _store(self, by: str, target: Ref, obj: Json) -> Json:
        before = self.objects.get(target)
        _check_immutable(target, before, obj)
        if before is not None and _content(before) == _content(obj):
            return before
        self.version += 1
        generation = obj["metadata"]["generation"] + bool(before and before.get("spec") != obj.get("spec"))
        versions = {"generation": generation, "resourceVersion": str(self.version)}
        after = {**obj, "metadata": {**obj["metadata"], **versions}}
        self.objects[target] = after
        self.digests[target] = json.dumps(_content(after), sort_keys=True)
        self._changed(Change(by, target, before, after))
        return after

    def _changed(self, change: Change) -> None:
        if self.check:
            self.check(self, change)


def _content(obj: Json) -> Json:
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}}


def _merged(existing: Any, desired: Any) -> Any:
    if not isinstance(existing, dict) or not isinstance(desired, dict):
        return desired
    changed = {key: _merged(existing.get(key), value) for key, value in desired.items() if value is not None}
    return {key: value for key, value in {**existing, **changed}.items() if desired.get(key, "") is not None}


def _merged_owners(existing: Json, desired: Json) -> list[Json]:
    """Owner references are a map by uid, of which one may be the controller."""
    listed = [one for obj in (existing, desired) for one in obj["metadata"].get("ownerReferences", ())]
    owners = list({one["uid"]: one for one in listed}.values())
    if sum(one.get("controller", False) for one in owners) > 1:
        raise RefusedError(f"{ref(desired)}: only one reference can have controller set to true")
    return owners


def _check_immutable(target: Ref, before: Json | None, after: Json) -> None:
    changeable = {JOBS: ("suspend", "activeDeadlineSeconds", "parallelism", "backoffLimit"), VOLUME_CLAIMS: ()}
    if before is None or target.resource not in changeable:
        return
    fixed = [
        {key: value for key, value in obj["spec"].items() if key not in changeable[target.resource]}
        for obj in (before, after)
    ]
    if fixed[0] != fixed[1]:
        raise RefusedError(f"{target}: spec is immutable")


def _applied_status(existing: Json, desired: Json, by: str) -> tuple[Json, list[Json]]:
    """The status after a server-side apply with force, and who owns which part of it."""
    owners = {one["manager"]: set(one["fields"]) for one in existing["metadata"].get("managedFields", [])}
    parts = _parts(desired)
    dropped = owners.get(by, set()) - set(parts)
    shared = {part for manager, fields in owners.items() if manager != by for part in fields}
    kept = {part: value for part, value in _parts(existing.get("status") or {}).items() if part not in dropped - shared}
    after = {**kept, **parts}
    owners = {manager: fields - set(parts) for manager, fields in owners.items()} | {by: set(parts)}
    listed = [{"manager": manager, "fields": sorted(fields)} for manager, fields in sorted(owners.items())]
    conditions = [value for part, value in after.items() if part.startswith("conditions/")]
    rest = {part: value for part, value in after.items() if not part.startswith("conditions/")}
    return rest | ({"conditions": conditions} if conditions else {}), listed


def _parts(status: Json) -> Json:
    """The status by its parts that have an owner each: conditions by their type, all else by its name."""
    conditions = {f"conditions/{one['type']}": one for one in status.get("conditions", [])}
    return {key: value for key, value in status.items() if key != "conditions"} | conditions
