"""What an explanation is made of, and what it says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from afina_api.reasons import AutoMLReason, DatasetReason, Documented, Reason, ServingReason

Json = dict[str, Any]


@dataclass(frozen=True)
class KindWords:
    """What differs from kind to kind."""

    short: str
    """The name that kubectl knows it by, too."""
    summary: str
    """The condition that sums it up."""
    reasons: type[Documented]
    resources: str
    """Field of what its pods ask for."""
    image: str = ""
    """Field of the image; empty where only the chart says which."""
    volume: str = ""
    """Field of its volume; empty where it has none."""


KINDS = {
    "TuningJob": KindWords(
        "tj", "Succeeded", Reason, "spec.trial.resources", "spec.trial.image", "spec.storage.volume"
    ),
    "AutoMLJob": KindWords("aml", "Succeeded", AutoMLReason, "spec.resources", "spec.image", "spec.volume"),
    "Dataset": KindWords("mlds", "Ready", DatasetReason, "spec.resources", volume="spec.volume"),
    "ModelDeployment": KindWords("mldep", "Ready", ServingReason, "spec.resources", "spec.image"),
}
"""The kinds that can be explained."""


@dataclass(frozen=True)
class Explanation:
    """Why an object is as it is."""

    cause: str
    evidence: tuple[str, ...]
    """Lines: what was seen, and where."""
    next_step: str


@dataclass(frozen=True)
class Facts:
    """An object and what was seen around it."""

    obj: Json
    """With `metadata.managedFields`."""
    now: datetime
    children: Sequence[Json] = ()
    """Jobs, volume claims, Deployments, ReplicaSets and Ray clusters with its label."""
    pods: Sequence[Json] = ()
    """Those with its label, oldest first."""
    warnings: Sequence[Json] = ()
    """Events about any of them of the type Warning, oldest first."""
    log: Sequence[str] = ()
    """The end of the log of the last of its own pods that has run."""

    @cached_property
    def kind(self) -> KindWords:
        """What is particular to its kind."""
        return KINDS[self.obj["kind"]]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.obj["metadata"]["name"])

    @property
    def summary(self) -> Json:
        """The condition that sums it up."""
        return self.condition(self.kind.summary)

    @property
    def elsewhere(self) -> str:
        """Where its spec can be corrected: most of a job's is fixed once it has started."""
        return "" if self.obj["kind"] == "ModelDeployment" else f" in another {self.obj['kind']}"

    def condition(self, kind: str) -> Json:
        """The condition of that type; empty if there is none."""
        return condition(self.obj, kind)

    def child(self, kind: str) -> Json | None:
        """The first child of that kind."""
        return next((child for child in self.children if child.get("kind") == kind), None)

    @property
    def own_pods(self) -> list[Json]:
        """Pods whose log is that of the object: of a driver or a model server, not of a Ray cluster. Oldest first."""
        return [pod for pod in self.pods if not is_of_ray(pod)]

    @property
    def live_pods(self) -> list[Json]:
        """Pods that have not ended and are not about to be, the newest first."""
        live = [pod for pod in self.pods if dig(pod, "status", "phase") not in ("Succeeded", "Failed")]
        return [pod for pod in reversed(live) if not dig(pod, "metadata", "deletionTimestamp")]

    @property
    def is_running(self) -> bool:
        """Whether a container of it runs."""
        return any(dig(one, "state", "running") for pod in self.live_pods for one in statuses(pod))

    def about(self, obj: Json) -> list[Json]:
        """Warnings about that object, oldest first."""
        uid = dig(obj, "metadata", "uid")
        return [event for event in self.warnings if dig(event, "involvedObject", "uid") == uid]

    def seconds_since(self, moment: object) -> float:
        """Seconds from a moment, as Kubernetes writes it, until now; 0 where there is none."""
        return (self.now - datetime.fromisoformat(str(moment))).total_seconds() if moment else 0.0


def dig(obj: object, *path: str | int) -> Any:
    """What lies at the path; None where nothing does."""
    for key in path:
        if isinstance(obj, dict) or (isinstance(obj, list) and isinstance(key, int) and key < len(obj)):
            obj = obj.get(key) if isinstance(obj, dict) else obj[int(key)]
        else:
            return None
    return obj


def condition(obj: Json, kind: str) -> Json:
    """The condition of that type; empty if there is none."""
    return next((one for one in dig(obj, "status", "conditions") or () if one.get("type") == kind), {})


def statuses(pod: Json) -> Iterator[Json]:
    """The states of a pod's containers."""
    for where in ("initContainerStatuses", "containerStatuses"):
        yield from dig(pod, "status", where) or ()


def is_of_ray(pod: Json) -> bool:
    """Whether KubeRay has made the pod, as a head or a worker."""
    return dig(pod, "metadata", "labels", "ray.io/cluster") is not None


def named(obj: Json) -> str:
    """The object as people name it: `pod tj-wine-x7k2p`."""
    return f"{str(obj.get('kind', 'Pod')).lower()} {dig(obj, 'metadata', 'name')}"


def when(event: Json) -> str:
    """The moment of an Event, as Kubernetes writes it; empty where it has none."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def said(event: Json) -> str:
    """An Event in one line."""
    return f"event on {str(dig(event, 'involvedObject', 'kind')).lower()}: {event.get('reason')}: " + one_line(
        event.get("message")
    )


def one_line(text: object) -> str:
    """Text without its line breaks."""
    return " ".join(str(text or "").split())
