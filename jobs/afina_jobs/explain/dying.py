"""Why a pod does not stay: memory, eviction, a program that ends."""

from afina_jobs.explain.facts import Explanation, Facts, Json, condition, dig, is_of_ray, named, one_line, statuses


def memory(facts: Facts) -> Explanation | None:
    """The kernel has ended a container for its memory."""
    ended = [pod for pod in facts.pods if _killed(pod)]
    if not ended:
        return None
    pod, own = ended[-1], f"{facts.kind.resources}.memory"
    limit = dig(pod, "spec", "containers", 0, "resources", "limits", "memory")
    parallel = dig(facts.obj, "spec", "budget", "parallelTrials") or 1
    less = f'`kubectl patch {facts.kind.short} {facts.name} --type=merge -p \'{{"spec":{{"budget":{{"parallelTrials":'
    fewer = f"Run fewer at a time: {less}{parallel // 2}}}}}}}'`; or raise" if parallel > 1 else "Raise"
    times = "once" if len(ended) == 1 else f"{len(ended)} times"
    return Explanation(
        f"A pod ran out of memory {times}{', and runs again' if facts.is_running else ''}.",
        (f"{named(pod)}: OOMKilled, its limit is {limit}",),
        f"{fewer} {own}{facts.elsewhere}.",
    )


def _killed(pod: Json) -> bool:
    ends = [dig(one, state, "terminated", "reason") for one in statuses(pod) for state in ("state", "lastState")]
    return "OOMKilled" in ends


def evicted(facts: Facts) -> Explanation | None:
    """The node, or somebody, has put the last pod out, and no other runs yet."""
    if facts.is_running:
        return None
    for pod in reversed(facts.pods):
        why = condition(pod, "DisruptionTarget")
        if dig(pod, "status", "reason") != "Evicted" and why.get("status") != "True":
            continue
        text = one_line(dig(pod, "status", "message") or why.get("message"))
        short = "low on resource" in text
        return Explanation(
            f"The node put {named(pod)} out{' because it was short of something itself' if short else ''}.",
            (f"{named(pod)}: {dig(pod, 'status', 'reason') or why.get('reason')}: {text}",),
            "Nothing: another pod is made, and what had ended stands. "
            + ("If it comes again, see `kubectl describe nodes`: they have too little." if short else ""),
        )
    return None


def crashing(facts: Facts) -> Explanation | None:
    """A container ends again and again, or the last pod failed and no other runs."""
    for pod in facts.live_pods:
        for one in statuses(pod):
            if dig(one, "state", "waiting", "reason") == "CrashLoopBackOff":
                return _ended(facts, pod, dig(one, "lastState", "terminated") or {}, " --previous")
            if dig(one, "state", "running"):
                return None
    for pod in reversed(facts.pods):
        for one in statuses(pod):
            end = dig(one, "state", "terminated") or {}
            if end.get("exitCode"):
                return _ended(facts, pod, end, "")
    return None


def _ended(facts: Facts, pod: Json, end: Json, which: str) -> Explanation:
    evidence = [f"{named(pod)}: {end.get('reason')}, exit code {end.get('exitCode')}"]
    evidence += [] if is_of_ray(pod) else [f"last line of its log: {line}" for line in facts.log[-1:]]
    return Explanation(
        f"The program in {named(pod)} ends with exit code {end.get('exitCode')}.",
        tuple(evidence),
        f"See `kubectl logs {dig(pod, 'metadata', 'name')}{which}`.",
    )
