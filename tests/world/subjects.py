"""What lives in a simulated world: one object whose work a driver does, its users, its driver, and the cluster."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from afina_api.base import Status
from afina_operator.conditions import format_time
from afina_operator.driver import handlers
from afina_operator.driver.kind import Kind
from afina_operator.ownership import controller
from afina_operator.reconciler import Controller
from afina_operator.resources import CONFIG_MAPS, JOBS, Json, Ref, Resource, dig
from afina_operator.settings import Settings
from world import kubernetes
from world.apiserver import ApiServer
from world.passes import Step

NAMESPACE, NAME = "lab", "wine"
PAST_DEADLINE = 200.0
"""Seconds after which a pod that cannot start has had its time."""


@dataclass(frozen=True)
class State:
    """What the summary says."""

    summary: str
    reason: str
    words: str = ""
    """In the message."""

    def says(self, other: Self) -> bool:
        """Whether this is the other state, and the message has its words in it."""
        return (self.summary, self.reason) == (other.summary, other.reason) and other.words in self.words


@dataclass(frozen=True)
class Subject:
    """The object that is looked at, and what is special about its kind."""

    kind: Kind[Any]
    status: type[Status]
    spec: Json
    good_end: State
    bad_end: State
    report: Json
    """What its driver says of itself on the way."""
    image: Callable[[Json], str]
    """The image that follows from a spec."""
    wrong: Json = field(default_factory=dict)
    """What makes the spec one that only the operator can refuse."""
    tries: int = 11
    """So many drivers may die."""
    more_children: tuple[Resource, ...] = ()
    """What it has beside what every object of that kind has, and only as long as its driver works."""
    own_actions: Mapping[str, Step] = field(default_factory=dict)
    """What may happen to this kind only."""
    surroundings: Step = lambda world: None
    """Makes what its spec names."""
    reads: tuple[Ref, ...] = ()
    """What must be there as long as its driver runs, and is not its own."""
    may_start: Callable[[ApiServer], bool] = lambda world: True
    """Whether its Job may be made."""
    waits: Callable[[ApiServer, Json, Json | None], State | None] = lambda world, obj, job: None
    """How the object with that Job comes to rest for want of what its spec names; None where nothing is wanting."""

    @property
    def target(self) -> Ref:
        """The object."""
        return Ref(self.kind.resource, NAMESPACE, NAME)

    def child(self, resource: Resource) -> Ref:
        """Its child of that kind."""
        return Ref(resource, NAMESPACE, f"{self.kind.prefix}-{NAME}")

    def applied(self, **spec: Any) -> Json:
        """The object as a user applies it."""
        return made(self.target, spec=self.spec | spec)

    def operator(self) -> Controller[Any]:
        """The operator's own controller."""
        return handlers.controller(self.kind, Settings(ray=True))

    @property
    def actions(self) -> Mapping[str, Step]:
        """What people, nodes and drivers do. An action that makes no sense in a world does nothing."""
        return {
            "suspend": lambda world: self.edit_spec(world, suspend=True),
            "resume": lambda world: self.edit_spec(world, suspend=False),
            "correct the spec": lambda world: self.edit_spec(world, **{key: self.spec.get(key) for key in self.wrong}),
            "raise the quota": _raise_quota,
            "take the foreign object away": self._take_foreign_away,
            "delete": self._delete,
            "delete in foreground": self._delete_foreground,
            "recreate": self._recreate,
            "delete the Job": self._delete_job,
            "lose the status": self._lose_status,
            "evict the pod": kubernetes.evict,
            "driver reports": self._report,
            "driver crashes": lambda world: kubernetes.end_drivers(world, 1),
            "driver gives up": lambda world: kubernetes.end_drivers(world, 10, _words(self.bad_end)),
            "driver ends": lambda world: kubernetes.end_drivers(world, 0, _words(self.good_end)),
            "time passes": lambda world: world.wait(PAST_DEADLINE),
            **self.own_actions,
        }

    def edit_spec(self, world: ApiServer, **changes: Any) -> None:
        """Change these fields; None takes one away."""
        edit_spec(world, self.target, **changes)

    def collect(self, world: ApiServer) -> None:
        """Garbage collection, of which a foreground deletion is a part."""
        obj = world.objects.get(self.target)
        if obj and dig(obj, "metadata", "deletionTimestamp"):
            uid = obj["metadata"]["uid"]
            owned = [target for target, child in world.objects.items() if controller(child).get("uid") == uid]
            world.remove(owned[0] if owned else self.target, "garbage-collector")
        else:
            kubernetes.collect_garbage(world)

    def _delete(self, world: ApiServer) -> None:
        if self.target in world.objects:
            world.remove(self.target, "user")

    def _delete_foreground(self, world: ApiServer) -> None:
        if self.target in world.objects:
            mark = {"deletionTimestamp": format_time(world.now)}
            world.edit(self.target, lambda obj: {**obj, "metadata": obj["metadata"] | mark}, "user")

    def _recreate(self, world: ApiServer) -> None:
        if self.target not in world.objects:
            world.make(self.applied(), "user")

    def _delete_job(self, world: ApiServer) -> None:
        if self.child(JOBS) in world.objects:
            world.remove(self.child(JOBS), "user")

    def _lose_status(self, world: ApiServer) -> None:
        """Somebody restores the object from a backup, without its status."""
        if self.target in world.objects:
            world.edit(self.target, lambda obj: {key: value for key, value in obj.items() if key != "status"}, "user")

    def _report(self, world: ApiServer) -> None:
        if kubernetes.running(world) and self.target in world.objects:
            world.write_status(made(self.target, status=self.report), "afina-driver")

    def _take_foreign_away(self, world: ApiServer) -> None:
        foreign = self.child(CONFIG_MAPS)
        if foreign in world.objects and not controller(world.objects[foreign]):
            world.remove(foreign, "user")


def _raise_quota(world: ApiServer) -> None:
    world.over_quota = frozenset()


def _words(end: State) -> str:
    return json.dumps({"reason": end.reason, "message": end.words})


def made(target: Ref, **content: Any) -> Json:
    """An object of that name."""
    metadata = {"name": target.name, "namespace": target.namespace}
    return {
        "apiVersion": target.resource.api_version,
        "kind": target.resource.kind,
        "metadata": metadata,
        **content,
    }


def edit_spec(world: ApiServer, target: Ref, **changes: Any) -> None:
    """Change these fields of an object, if it is there; None takes one away."""

    def changed(obj: Json) -> Json:
        spec = {key: value for key, value in (obj["spec"] | changes).items() if value is not None}
        return {**obj, "spec": spec}

    if target in world.objects:
        world.edit(target, changed, "user")


def before_start(target: Ref, change: Step) -> Step:
    """A change that the API server refuses once `startTime` is there."""

    def act(world: ApiServer) -> None:
        if not dig(world.objects.get(target), "status", "startTime"):
            change(world)

    return act


@dataclass(frozen=True)
class Scene:
    """A world with one object to look at, and how often each thing may still happen in it."""

    subject: Subject
    world: ApiServer
    left: Mapping[str, int] = field(default_factory=dict)
    image_missing: bool = False

    def copy(self) -> Self:
        """The same scene, to take another step in."""
        return replace(self, world=self.world.copy())

    def key(self) -> object:
        """What the future depends on."""
        return self.world.state(), tuple(sorted(self.left.items()))

    def nature(self) -> Mapping[str, Step]:
        """What the cluster does by itself."""
        return {
            "garbage is collected": self.subject.collect,
            "the Job controller acts": kubernetes.run_job_controller,
            "pods stop": kubernetes.stop_pods,
            "pods start": kubernetes.fail_image if self.image_missing else kubernetes.start_pods,
        }
