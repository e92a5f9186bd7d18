"""What is special about a kind whose work a driver does."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from afina_api.base import Model, Volume
from afina_operator.resources import Json, Ref, Resource
from afina_operator.settings import Settings

M = TypeVar("M", bound=Model)

_SPEC_LIMIT = 1_000_000
"""A ConfigMap holds 1 MiB, and the spec must fit into one."""
_ERRORS_SHOWN = 5
_READ = ("apiVersion", "kind", "metadata", "spec")


class InvalidSpecError(Exception):
    """The spec says something that the API server let through and that cannot be done; the message says what."""


@dataclass(frozen=True)
class Mount:
    """A volume of a pod, and where its container has it."""

    name: str
    path: str
    source: Json

    @property
    def volume(self) -> Json:
        """As the pod names it."""
        return {"name": self.name, **self.source}

    @property
    def volume_mount(self) -> Json:
        """As the container names it."""
        return {"name": self.name, "mountPath": self.path, **({"readOnly": True} if self._is_read_only else {})}

    @property
    def _is_read_only(self) -> bool:
        claim = self.source.get("persistentVolumeClaim", {})
        return "configMap" in self.source or "secret" in self.source or bool(claim.get("readOnly"))


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster of the object's own: a head that runs nothing, and workers."""

    workers: int
    slots: int
    """What each worker may run at a time: Ray's CPUs."""
    gpus: int
    """Whole GPUs of each worker."""
    node_selector: Json
    """Labels of the nodes that workers may run on."""
    head_resources: Json
    worker_resources: Json


@dataclass(frozen=True)
class Workload:
    """What the driver of one object needs."""

    image: str
    resources: Json
    """Requests and limits of the container."""
    volume: Volume | None
    """The volume that outlives the pod; None: what the driver keeps is elsewhere, and a folder of the pod will do."""
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Sequence[Json] = ()
    """Variables whose values are in Secrets, as a container names them."""
    source: Json | None = None
    """The volume with the files that people gave it."""
    mounts: Sequence[Mount] = ()
    """What else it reads beside its spec."""
    suspend: bool = False
    node_selector: Json = field(default_factory=dict)
    """Labels of the nodes that it may run on."""
    deadline: int | None = None
    """Seconds after which the Job controller ends the driver; None for never."""
    restarts: int = 10
    """So many times a driver that died is started again."""
    ray: RayCluster | None = None
    """The Ray cluster that it works with."""


@dataclass(frozen=True)
class Words:
    """What differs in what people are told."""

    working: str
    """What the driver does while it runs."""
    resuming: str
    """What a driver does that is started again."""
    memory: str
    """Field of the memory that the driver may use."""
    image: str
    """What to correct if the image cannot be pulled."""
    deadline: str = ""
    """Field of the time that it may take."""


@dataclass(frozen=True)
class Requirement:
    """An object that must be Ready before the driver is started."""

    find: Callable[[Json], Ref | None]
    """Which one; None where the spec names none."""
    reason: StrEnum
    """What the summary says where it will never be Ready."""


@dataclass(frozen=True)
class Kind(Generic[M]):
    """A kind whose work a driver does."""

    resource: Resource
    model: type[M]
    workload: Callable[[M, Settings], Workload]
    """What the driver needs.

    Raises:
        InvalidSpecError: it cannot be had.
    """
    prefix: str
    """What the names of the children begin with."""
    component: str
    """The children's `app.kubernetes.io/component`."""
    summary: Literal["Succeeded", "Ready"]
    """The condition that sums up the state."""
    reasons: type[StrEnum]
    """All reasons that the summary may have."""
    good_ends: Sequence[StrEnum]
    """What a driver may say that ended well; the first is meant by one that said nothing."""
    bad_ends: Sequence[StrEnum]
    """What a driver may say that failed for good."""
    words: Words
    uses_ray: Callable[[Json], bool] = lambda _: False
    """Whether the spec, be it valid or not, asks for a Ray cluster."""
    can_be_suspended: bool = True
    """Whether the spec has `suspend`."""
    mounted: Callable[[Json], Sequence[tuple[str, Ref]]] = lambda _: ()
    """What people must have made for the pod to start: the field that names it, and the object."""
    requires: Requirement | None = None
    """What must be Ready before the driver is started."""

    @property
    def label(self) -> str:
        """The label of the children whose value is the object's name."""
        return f"afina.dev/{self.resource.kind.lower()}"

    def parse(self, obj: Json, settings: Settings) -> Workload:
        """What the driver of that object needs.

        Raises:
            InvalidSpecError: naming each field and what it may be.
        """
        workload = self.workload(parsed(self.model, obj), settings)
        if len(spec_file(obj)) > _SPEC_LIMIT:
            raise InvalidSpecError(
                f"spec: more than {_SPEC_LIMIT} bytes as JSON: shorten choices, arguments or variables"
            )
        return workload


def parsed(model: type[M], obj: Json) -> M:
    """The object as its model.

    Raises:
        InvalidSpecError: naming each field and what it may be.
    """
    try:
        return model.model_validate({key: obj.get(key) for key in _READ})
    except ValidationError as error:
        problems = [_problem(dict(one)) for one in error.errors(include_url=False, include_context=False)]
        shown = "; ".join(problems[:_ERRORS_SHOWN])
        more = len(problems) - _ERRORS_SHOWN
        raise InvalidSpecError(f"{shown}; and {more} more" if more > 0 else shown) from None


def torch_image(settings: Settings, what: str, instead: str) -> str:
    """The torch runtime image.

    Args:
        settings: what the installation has.
        what: what needs it, with its field.
        instead: what else people may do.

    Raises:
        InvalidSpecError: the installation does not name one.
    """
    if not settings.images.runtime_torch:
        raise InvalidSpecError(
            f"{what} needs the torch runtime image, which this installation does not name: "
            f"set it in the chart's values, {instead}"
        )
    return settings.images.runtime_torch


def spec_file(obj: Json) -> str:
    """What the driver reads: the object as a JSON file, without what the API server adds to it."""
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace", "uid")}
    content = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, "spec": obj["spec"]}
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(step) for step in error["loc"]) or "spec"
    return f"{where}: {str(error['msg']).removeprefix('Value error, ')}"
