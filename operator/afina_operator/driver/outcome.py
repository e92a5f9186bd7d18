"""How a started object does, as its Job and pods show."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from afina_api.reasons import Reason
from afina_operator.conditions import condition, format_time, is_true, parse_time
from afina_operator.driver import pods
from afina_operator.driver.children import FAILED_FOR_GOOD
from afina_operator.driver.kind import Kind
from afina_operator.driver.observe import Observed
from afina_operator.driver.queue import queue
from afina_operator.driver.status import State, failed, has_report, succeeded, suspended, waits
from afina_operator.resources import RAY_CLUSTERS, Json, dig
from afina_operator.settings import Settings


def has_ended(child: Json) -> bool:
    """Whether the Job controller has given its verdict on the Job."""
    return is_true(child, "Complete") or is_true(child, "Failed")


def end_time(child: Json, now: datetime) -> str:
    """When an ended Job ended."""
    for kind in ("Complete", "Failed"):
        moment = parse_time(condition(child, kind).get("lastTransitionTime"))
        if is_true(child, kind) and moment:
            return format_time(moment)
    return format_time(now)


def state(observed: Observed, child: Json, settings: Settings, now: datetime) -> State:
    """The state that follows from the Job and its pods."""
    kind, own = observed.kind, pods.of_job(observed.pods, child)
    if is_true(child, "Complete"):
        return _good_end(kind, own)
    if is_true(child, "Failed"):
        return _bad_end(kind, child, own)
    running = any(map(pods.is_running, own))
    if dig(child, "metadata", "deletionTimestamp"):
        return waits(Reason.PENDING, "The Job was deleted; it is made again when it is gone.", running=running)
    if suspended(observed.job):
        return _suspended(own, running)
    if (name := queue(observed.job)) and dig(child, "spec", "suspend"):
        return waits(Reason.PENDING, f"It waits in the queue {name!r} until Kueue admits it.", running=running)
    restarts = dig(child, "status", "failed") or 0
    if running:
        note = f" The driver was started again {_times(restarts)}." if restarts else ""
        return waits(Reason.RUNNING, f"{kind.words.working}{note}{_workers(observed)}", running=True)
    return _not_running(observed, child, own, settings, now)


def _good_end(kind: Kind[Any], own: Sequence[Json]) -> State:
    end = pods.last_end(own)
    said = pods.verdict(end, kind.good_ends) if end and end.exit_code == 0 else None
    return succeeded(*(said or (kind.good_ends[0], "The driver has ended well; the pod that knew more is gone.")))


def _bad_end(kind: Kind[Any], child: Json, own: Sequence[Json]) -> State:
    cause = condition(child, "Failed")
    end = pods.last_end(own)
    if end and end.exit_code == FAILED_FOR_GOOD and (said := pods.verdict(end, kind.bad_ends)):
        return failed(*said)
    if cause.get("reason") == "DeadlineExceeded":
        text = f"The job did not end within {kind.words.deadline} and a grace period: see the driver's log."
        return failed(Reason.DEADLINE_EXCEEDED, text)
    return failed(Reason.DRIVER_FAILED, f"{cause.get('message', '')}. {_how(kind, end)} See the driver's log.")


def _workers(observed: Observed) -> str:
    """What to say of a Ray cluster whose workers are not all there."""
    cluster = observed.children.get(RAY_CLUSTERS)
    wanted = dig(cluster, "spec", "workerGroupSpecs", 0, "replicas")
    ready = dig(cluster, "status", "readyWorkerReplicas") or 0
    return f" Of its {wanted} workers, {ready} are ready." if isinstance(wanted, int) and ready != wanted else ""


def _suspended(own: Sequence[Json], running: bool) -> State:
    if all(map(pods.ended, own)):
        return waits(Reason.SUSPENDED, "Suspended: set spec.suspend to false to go on.", suspended=True)
    return waits(Reason.SUSPENDED, "The driver is being stopped.", running=running)


def _not_running(observed: Observed, child: Json, own: Sequence[Json], settings: Settings, now: datetime) -> State:
    restarts = _has_run(observed, child, own)
    reason = Reason.RESTARTING if restarts else Reason.PENDING
    latest = own[-1] if own else None
    # The container ends a moment before the pod's phase says so.
    if latest is None or pods.ended(latest) or pods.end(latest):
        return _between_pods(observed, reason, own)
    trouble = pods.trouble(latest, observed.missing, observed.kind.words.image)
    if trouble is None:
        return waits(reason, _join(pods.waits_for(latest), observed.warning))
    # What has run before can start: then the trouble is the cluster's, and may pass.
    late = pods.waits_longer_than(latest, settings.start_deadline_seconds, now)
    if not restarts and (trouble.hopeless or late):
        return failed(trouble.reason, trouble.message)
    return waits(reason, _join(trouble.message, observed.warning))


def _has_run(observed: Observed, child: Json, own: Sequence[Json]) -> bool:
    """Whether a driver has run. An evicted or deleted one leaves no trace but its report: the Job counts it not."""
    return bool(dig(child, "status", "failed") or any(map(pods.ended, own)) or has_report(observed.job))


def _between_pods(observed: Observed, reason: Reason, own: Sequence[Json]) -> State:
    end = pods.last_end(own)
    if end and end.exit_code in (0, FAILED_FOR_GOOD):
        return waits(Reason.RUNNING, "The driver has ended; the Job controller takes note of it.", running=True)
    if reason == Reason.RESTARTING:
        return waits(reason, _join(f"{_how(observed.kind, end)} {observed.kind.words.resuming}", observed.warning))
    return waits(reason, _join("The Job controller makes the driver's pod.", observed.warning))


def _how(kind: Kind[Any], end: pods.End | None) -> str:
    if end is None:
        return "The driver's pod is gone."
    if end.why == "OOMKilled":
        return f"The driver ran out of memory: raise {kind.words.memory}."
    cause = f" ({end.why}: {end.words})" if end.why in ("StartError", "ContainerCannotRun") else ""
    return f"The driver ended with exit code {end.exit_code}{cause}."


def _join(text: str, warning: str) -> str:
    return f"{text} Last warning: {warning}" if warning and warning not in text else text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
