"""What the driver's pods tell: that it runs, why it does not start, how it ended."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from afina_api.reasons import Reason
from afina_operator.conditions import condition, parse_time
from afina_operator.driver.children import CONTAINER
from afina_operator.ownership import controller
from afina_operator.resources import JOBS, Json, dig

_IMAGE_TROUBLE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "InvalidImageName")
_CONFIG_TROUBLE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_HOPELESS = ("InvalidImageName",)
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not start."""

    reason: str
    message: str
    hopeless: bool = False
    """Waiting does not help."""


@dataclass(frozen=True)
class End:
    """How a driver ended."""

    exit_code: int | None
    why: str
    """The container runtime's word, such as `OOMKilled`."""
    words: str
    """What it wrote before it ended."""


def of_job(pods: Iterable[Json], job: Json) -> list[Json]:
    """The pods of that very Job, oldest first."""
    uid = dig(job, "metadata", "uid")
    own = [pod for pod in pods if controller(pod).get("uid") == uid]
    return sorted(own, key=lambda pod: str(dig(pod, "metadata", "creationTimestamp")))


def leftover(pods: Iterable[Json], name: str) -> bool:
    """Whether a pod of any Job of that name may still run: two drivers must not share a study."""
    return any(
        (controller(pod).get("kind"), controller(pod).get("name")) == (JOBS.kind, name) and not ended(pod)
        for pod in pods
    )


def ended(pod: Json) -> bool:
    """Whether all its containers have ended for good."""
    return dig(pod, "status", "phase") in _ENDED


def is_running(pod: Json) -> bool:
    """Whether the driver runs."""
    return isinstance(dig(_container(pod), "state", "running"), dict) and not ended(pod)


def trouble(pod: Json, missing: str, correction: str) -> Trouble | None:
    """What keeps a pod from starting that will not pass by itself; None if it just takes its time.

    Args:
        pod: the pod.
        missing: what it mounts and does not exist, in words; empty if all does.
        correction: what to do if the image cannot be pulled.
    """
    waiting = dig(_container(pod), "state", "waiting")
    word, message = str(dig(waiting, "reason") or ""), str(dig(waiting, "message") or "")
    if word in _IMAGE_TROUBLE:
        image = dig(_container(pod), "image")
        text = f"The image {image} cannot be pulled ({word}): {message}. {correction}"
        return Trouble(Reason.IMAGE_UNAVAILABLE, text, word in _HOPELESS)
    if missing:
        return Trouble(Reason.POD_CANNOT_START, missing)
    if word in _CONFIG_TROUBLE:
        return Trouble(Reason.POD_CANNOT_START, f"The driver's container cannot be made ({word}): {message}.")
    return None


def waits_for(pod: Json) -> str:
    """What a pod that is not running yet waits for."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"The driver's pod cannot be placed on a node: {scheduled.get('message', '')}"
    word = dig(_container(pod), "state", "waiting", "reason")
    return f"The driver's pod starts ({word})." if word else "The driver's pod starts."


def waits_longer_than(pod: Json, seconds: float, now: datetime) -> bool:
    """Whether so much time has passed since the pod was placed on a node, or made if it was not."""
    placed = condition(pod, "PodScheduled")
    moment = placed.get("lastTransitionTime") if placed.get("status") == "True" else None
    since = parse_time(moment or dig(pod, "metadata", "creationTimestamp"))
    return since is not None and now - since > timedelta(seconds=seconds)


def end(pod: Json) -> End | None:
    """How the driver in that pod ended; None if it did not, or left no trace of it."""
    state = dig(_container(pod), "state", "terminated")
    if not isinstance(state, dict):
        return None
    code = state.get("exitCode")
    return End(code if isinstance(code, int) else None, str(state.get("reason", "")), str(state.get("message", "")))


def last_end(pods: Iterable[Json]) -> End | None:
    """How the latest driver that ended did so."""
    return next((found for pod in reversed(list(pods)) if (found := end(pod))), None)


def verdict(end: End, allowed: Iterable[str]) -> tuple[str, str] | None:
    """The reason and message that the driver left; None if they are not what the driver may say at such an end."""
    try:
        said = json.loads(end.words)
    except ValueError:
        return None
    reason = next((one for one in allowed if one == dig(said, "reason")), None)
    return (reason, str(dig(said, "message") or "")) if reason else None


def _container(pod: Json) -> Json:
    entries = dig(pod, "status", "containerStatuses")
    found = [one for one in entries if dig(one, "name") == CONTAINER] if isinstance(entries, list) else []
    return found[0] if found else {}
