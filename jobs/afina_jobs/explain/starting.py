"""Why a pod does not start: quota, image, what it mounts, volume, room on the nodes."""

import re
from collections.abc import Iterator

from afina_jobs.explain.facts import Explanation, Facts, Json, condition, dig, named, one_line, said, statuses, when

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "InvalidImageName")
_CONFIGURATION = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_REFUSED = ("FailedCreate", "FailedToCreateHeadPod", "FailedToCreateWorkerPod")
_QUOTA = re.compile(r"exceeded quota: (?P<name>\S+), requested: (?P<asked>\S+), used: \S+, limited: \S+")
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]+\w)")
_SHOW_GPUS = r"kubectl get nodes -o custom-columns=NODE:.metadata.name,GPUS:.status.allocatable.nvidia\.com/gpu"


def refused(facts: Facts) -> Explanation | None:
    """The API server did not take a pod, or something else that is needed."""
    newest = max((str(dig(pod, "metadata", "creationTimestamp")) for pod in facts.live_pods), default="")
    events = [one for one in facts.warnings if one.get("reason") in _REFUSED and when(one) > newest]
    blocked = "The API server refuses" in str(facts.summary.get("message"))
    if not events and not blocked:
        return None
    text = one_line(events[-1]["message"] if events else facts.summary["message"])
    evidence = (said(events[-1]),) if events else (f"condition {facts.kind.summary}: {text}",)
    quota = _QUOTA.search(text)
    if quota:
        name = quota["name"]
        less = (
            f", or lower {facts.kind.resources}{facts.elsewhere}" if re.search("cpu|memory|gpu", quota["asked"]) else ""
        )
        return Explanation(
            f"The ResourceQuota {name!r} of the namespace leaves no room.",
            evidence,
            f"See `kubectl describe quota {name}`: free some or have it raised, then it goes on by itself{less}.",
        )
    return Explanation(
        "The API server refuses what the object needs.",
        evidence,
        "Do what the message says, or ask who runs the cluster. It is tried again without being asked.",
    )


def _waiting(facts: Facts, words: tuple[str, ...]) -> Iterator[tuple[Json, Json, str]]:
    """Pods with a container that waits for such a reason: the pod, the container's state, and the message."""
    for pod in facts.live_pods:
        for status in statuses(pod):
            waiting = dig(status, "state", "waiting") or {}
            if waiting.get("reason") in words:
                yield pod, status, f"{waiting['reason']}: {one_line(waiting.get('message'))}"


def image(facts: Facts) -> Explanation | None:
    """The image cannot be pulled."""
    for pod, status, text in _waiting(facts, _IMAGE):
        pulls = [one for one in facts.about(pod) if str(one.get("message")).startswith("Failed to pull")]
        evidence = [f"{named(pod)}: {text}", *(said(one) for one in pulls[-1:] if one_line(one["message"]) not in text)]
        return Explanation(
            f"The image {status.get('image')} cannot be pulled.",
            tuple(evidence),
            correct_image(facts, " ".join(evidence)),
        )
    return None


def correct_image(facts: Facts, text: str) -> str:
    """What to do about an image, by what was said of it."""
    field = facts.kind.image if dig(facts.obj, *facts.kind.image.split(".")) else "image.* of the chart's values"
    if re.search(r"no such host|connection refused|i/o timeout|certificate", text):
        return f"The nodes do not reach the registry: correct its name in {field}, or mend the way to it."
    if re.search(r"unauthorized|denied|authoriz|403|401", text, re.IGNORECASE):
        return f"The registry does not let the nodes read it: give them its credentials, or correct {field}."
    if re.search(r"not found|manifest unknown|InvalidImageName", text):
        return f"There is no such image: correct {field}, or push it."
    return f"Correct {field}, or push the image."


def configuration(facts: Facts) -> Explanation | None:
    """What the pod mounts or reads is not there."""
    for pod in facts.live_pods:
        mounts = [one for one in facts.about(pod) if one.get("reason") == "FailedMount"]
        if mounts and not any(dig(one, "state", "running") for one in statuses(pod)):
            return _lacks(facts, f"{named(pod)} cannot mount what it needs.", said(mounts[-1]))
    for pod, _, text in _waiting(facts, _CONFIGURATION):
        return _lacks(facts, f"A container of {named(pod)} cannot be made.", f"{named(pod)}: {text}")
    return None


def _lacks(facts: Facts, cause: str, seen: str) -> Explanation:
    told = one_line(facts.summary.get("message"))
    missing = re.search(r'(configmap|secret) "?([-\w./]+)"? not found', seen)
    what = missing[2].split("/")[-1] if missing else ""
    step = (
        f"Create the {missing[1]}: `kubectl create {missing[1]} {_flavour(missing[1])}{what} ...`." if missing else ""
    )
    evidence = [seen] if told in seen else [seen, f"condition {facts.kind.summary}: {told}"]
    return Explanation(cause, tuple(evidence), step or "Create what is missing: the pod starts then by itself.")


def _flavour(kind: str) -> str:
    return "generic " if kind == "secret" else ""


def volume(facts: Facts) -> Explanation | None:
    """Its volume is not there."""
    claim = facts.child("PersistentVolumeClaim")
    pods = [pod for pod in facts.live_pods if "unbound immediate PersistentVolumeClaims" in _unplaced(pod)]
    if claim is None or dig(claim, "status", "phase") == "Bound" or not (pods or facts.about(claim)):
        return None
    wanted = dig(claim, "spec", "storageClassName")
    events = facts.about(claim)
    evidence = [f"{named(claim)}: {dig(claim, 'status', 'phase')}, storage class {wanted or 'none'}"]
    evidence += [said(one) for one in events[-1:]]
    classes = f"{facts.kind.volume}.storageClassName names none that makes volumes"
    step = f"See `kubectl get storageclass`: {classes if wanted else 'the cluster has no default one'}; "
    return Explanation(
        f"The volume {dig(claim, 'metadata', 'name')} is not made.",
        tuple(evidence),
        f"{step}set it{facts.elsewhere}, since a volume is made once.",
    )


def room(facts: Facts) -> Explanation | None:
    """No node takes the pod."""
    for pod in facts.live_pods:
        text = _unplaced(pod)
        if text:
            return Explanation(
                f"No node takes {named(pod)}: {_lacking(text)}.",
                (f"{named(pod)}: {text}", f"it asks for {_requests(pod)}"),
                _make_room(facts, pod, text),
            )
    return None


def _unplaced(pod: Json) -> str:
    placed = condition(pod, "PodScheduled")
    return one_line(placed.get("message")) if placed.get("reason") == "Unschedulable" else ""


def _lacking(text: str) -> str:
    found = list(dict.fromkeys(_INSUFFICIENT.findall(text)))
    words = [f"too little {' and '.join(found)}"] if found else []
    words += ["none has the labels that it asks for"] if "affinity/selector" in text else []
    words += ["a taint keeps it away"] if "taint" in text else []
    return ", ".join(words) or "see the scheduler's words"


def _requests(pod: Json) -> str:
    asked = dig(pod, "spec", "containers", 0, "resources") or {}
    both = {**(asked.get("limits") or {}), **(asked.get("requests") or {})}
    return ", ".join(f"{name} {amount}" for name, amount in sorted(both.items())) or "nothing"


def _make_room(facts: Facts, pod: Json, text: str) -> str:
    labels = dig(pod, "spec", "nodeSelector")
    if "affinity/selector" in text and labels:
        asked = ",".join(f"{name}={value}" for name, value in labels.items())
        return f"See `kubectl get nodes -l {asked}`: correct {facts.kind.resources}.gpuType, or label the nodes."
    if "taint" in text and not _INSUFFICIENT.search(text):
        return "See `kubectl describe nodes | grep -A3 Taints`: have the taint removed, or add nodes without it."
    several = dig(facts.obj, "spec", "budget", "parallelTrials") not in (None, 1)
    less = f"{'spec.budget.parallelTrials, or ' if several else ''}{facts.kind.resources}{facts.elsewhere}"
    shown = f" GPUs: `{_SHOW_GPUS}`." if "nvidia.com/gpu" in text else ""
    return f"Wait until others end, add nodes, or lower {less}.{shown}"
