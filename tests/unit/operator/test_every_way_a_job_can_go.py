"""Every way that a TuningJob's life can go, walked through: after every step, a crash, a lost race, a refusal, a user.

Each scene is explored exhaustively. Its exploration fails where an invariant breaks or where a world does not come to
the end that it should. That it can fail is shown at the bottom: each planted bug is found.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from afina_api.reasons import Reason
from afina_operator import conditions
from afina_operator.conditions import format_time
from afina_operator.driver import handlers, plan, pods, room, status
from afina_operator.driver.children import children
from afina_operator.driver.kind import Kind
from afina_operator.driver.observe import Observed
from afina_operator.plan import Apply, ApplyStatus, Create, Plan
from afina_operator.resources import JOBS, Json, bound
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import KIND
from world.explore import BrokenError, explore
from world.lives import model, scene
from world.subjects import Subject
from world.tuningjobs import ATTENTIVE, ATTENTIVE_WITH_WORKERS, TUNING_JOB, WITH_WORKERS, WRONG


@dataclass(frozen=True)
class Case:
    """What may happen, each once, beside the operator's crashes and the cluster's own steps."""

    actions: tuple[str, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)


CASES = {
    "nobody interferes": Case(("driver reports",)),
    "the driver crashes, then gives up": Case(("driver crashes", "driver gives up", "driver reports")),
    "it is suspended and resumed": Case(("suspend", "resume")),
    "it is suspended from the first and resumed": Case(("resume", "suspend"), {"suspend": True}),
    "its budget grows": Case(("grow", "driver reports")),
    "its image is changed at the last moment": Case(("change image", "grow")),
    "it is deleted and made again": Case(("delete", "recreate")),
    "it is deleted in foreground and made again": Case(("delete in foreground", "recreate")),
    "its Job is deleted": Case(("delete the Job", "driver crashes")),
    "its status is lost": Case(("lose the status",)),
    "its image does not exist": Case(("time passes", "delete"), {"image_missing": True}),
    "it is suspended while its image is missing": Case(("time passes", "suspend"), {"image_missing": True}),
    "its spec is wrong and gets corrected": Case(("correct the spec",), WRONG),
    "a child's name is taken": Case(("take the foreign object away",), {"foreign": True}),
    "its namespace is over its quota": Case(("raise the quota", "suspend"), {"over_quota": True}),
    "it deletes itself after its end": Case(("driver ends", "time passes"), {"ttlSecondsAfterFinished": 100}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_way_ends_well(case: Case) -> None:
    found = explore(scene(TUNING_JOB, *case.actions, **case.given), model(TUNING_JOB.operator()))
    assert found.worlds > 25
    assert found.steps > 500


MORE_AT_A_TIME = {
    "its parallelism grows": Case(("ask for three at a time", "driver crashes")),
    "its parallelism grows and shrinks again": Case(("ask for three at a time", "ask for one at a time")),
    "its parallelism grows while it is suspended": Case(("ask for three at a time", "resume"), {"suspend": True}),
    "its parallelism grows, and its Job is deleted": Case(("ask for three at a time", "delete the Job")),
}


@pytest.mark.parametrize("subject", [ATTENTIVE, ATTENTIVE_WITH_WORKERS], ids=["in a pod", "with workers"])
@pytest.mark.parametrize("case", MORE_AT_A_TIME.values(), ids=MORE_AT_A_TIME.keys())
def test_more_trials_at_a_time_get_their_room(case: Case, subject: Subject) -> None:
    found = explore(scene(subject, *case.actions, **case.given), model(subject.operator()))
    assert found.worlds > 25


WITH_WORKERS_CASES = (
    "nobody interferes",
    "the driver crashes, then gives up",
    "it is suspended and resumed",
    "it is deleted and made again",
    "its Job is deleted",
    "its image does not exist",
    "it is suspended while its image is missing",
)


@pytest.mark.parametrize("name", WITH_WORKERS_CASES)
def test_every_way_ends_well_and_without_the_ray_cluster(name: str) -> None:
    """It is made before the driver, and gone when the end is recorded."""
    case = CASES[name]
    found = explore(scene(WITH_WORKERS, *case.actions, **case.given), model(WITH_WORKERS.operator()))
    assert found.worlds > 25


# Planted bugs. Each replaces a part of the operator by one with a mistake that somebody could make.

Plant = Callable[[pytest.MonkeyPatch], None]


def _second_name(patch: pytest.MonkeyPatch) -> None:
    """A child's name ends in something random, so each pass makes another one."""
    numbers = count()

    def renamed(current: Plan) -> Plan:
        return replace(current, writes=tuple(map(rename, current.writes)))

    def rename(write: Any) -> Any:
        if not isinstance(write, Create) or write.obj["kind"] != "Job":
            return write
        name = f"{write.obj['metadata']['name']}-{next(numbers)}"
        return Create({**write.obj, "metadata": {**write.obj["metadata"], "name": name}})

    _change_plan(patch, lambda current, _: renamed(current))


def _status_as_truth(patch: pytest.MonkeyPatch) -> None:
    """A Job that the status speaks of is taken to exist."""

    def without_job(current: Plan, observed: Observed) -> Plan:
        if not status.is_started(observed.job):
            return current
        kept = [write for write in current.writes if not (isinstance(write, Create) and write.obj["kind"] == "Job")]
        return replace(current, writes=tuple(kept))

    _change_plan(patch, without_job)


def _end_before_cleaning(patch: pytest.MonkeyPatch) -> None:
    """`completionTime` is recorded before the Job is deleted."""
    _change_plan(patch, lambda current, _: replace(current, writes=current.writes[::-1]) if _ends(current) else current)


def _ends(current: Plan) -> bool:
    return any(isinstance(write, ApplyStatus) and "completionTime" in write.obj["status"] for write in current.writes)


def _job_before_start_time(patch: pytest.MonkeyPatch) -> None:
    """The Job is made before the spec is fixed."""

    def status_last(current: Plan, observed: Observed) -> Plan:
        if status.is_started(observed.job):
            return current
        return replace(current, writes=tuple(sorted(current.writes, key=lambda one: isinstance(one, ApplyStatus))))

    _change_plan(patch, status_last)


def _job_first(patch: pytest.MonkeyPatch) -> None:
    """The Job is made before what it needs."""

    def is_job(write: Any) -> bool:
        return isinstance(write, Create) and write.obj["kind"] == "Job"

    _change_plan(
        patch, lambda current, _: replace(current, writes=tuple(sorted(current.writes, key=is_job, reverse=True)))
    )


def _template_every_time(patch: pytest.MonkeyPatch) -> None:
    """The Job is applied in each pass, template and all."""

    def with_job(current: Plan, observed: Observed) -> Plan:
        existing = observed.children.get(JOBS)
        if existing is None or status.is_over(observed.job):
            return current
        settings = Settings()
        job = children(KIND, observed.job, KIND.parse(observed.job, settings), settings)[JOBS]
        return replace(current, writes=(*current.writes, Apply(bound(job, existing))))

    _change_plan(patch, with_job)


def _status_without_version(patch: pytest.MonkeyPatch) -> None:
    """The status is written whatever happened to the TuningJob since it was read."""
    patch.setattr(status, "bound", lambda obj, _: obj)


def _start_time_left_out(patch: pytest.MonkeyPatch) -> None:
    """A status without `startTime` is applied later, which removes it."""

    def forget(current: Plan, observed: Observed) -> Plan:
        if status.is_started(observed.job):
            for write in current.writes:
                if isinstance(write, ApplyStatus):
                    write.obj["status"].pop("startTime", None)
        return current

    _change_plan(patch, forget)


def _no_wait_for_old_pods(patch: pytest.MonkeyPatch) -> None:
    """A new Job is made while a pod of the old one still runs."""
    patch.setattr(pods, "leftover", lambda found, name: False)


def _foreign_objects_taken(patch: pytest.MonkeyPatch) -> None:
    """What has a child's name is taken for ours."""
    patch.setattr(plan, "_conflict", lambda observed, desired: "")


def _no_look_for_predecessors(patch: pytest.MonkeyPatch) -> None:
    """What a deleted TuningJob of the same name has left behind is taken for ours."""
    patch.setattr(plan, "_predecessor", lambda observed, desired: "")


def _ever_new_message(patch: pytest.MonkeyPatch) -> None:
    """The status says what time it is, so that it always differs."""
    record = status.record

    def chatty(kind: Kind[Any], job: Json, state: status.State, now: Any, **times: Any) -> ApplyStatus | None:
        version = job["metadata"]["resourceVersion"]
        return record(kind, job, status.with_message(state, f"as of {version}"), now, **times)

    patch.setattr(plan, "record", chatty)


def _transition_every_time(patch: pytest.MonkeyPatch) -> None:
    """`lastTransitionTime` is the time of the write."""
    as_recorded = conditions.as_recorded

    def always_now(job: Json, current: Any, now: Any) -> list[Json]:
        return [{**one, "lastTransitionTime": format_time(now)} for one in as_recorded(job, current, now)]

    patch.setattr(status, "as_recorded", always_now)


def _verdict_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A refused write is reported over a verdict that is there already."""

    def forgetful(kind: Kind[Any], job: Json, error: Exception, now: Any) -> ApplyStatus | None:
        return status.record(kind, job, status.waits(Reason.PENDING, str(error)), now)

    patch.setattr(handlers, "blocked", forgetful)


def _change_plan(patch: pytest.MonkeyPatch, change: Callable[[Plan, Observed], Plan]) -> None:
    good = plan.plan

    def bad(observed: Observed, settings: Settings, now: Any) -> Plan:
        return change(good(observed, settings, now), observed)

    patch.setattr(handlers, "plan", bad)


def _room_never_looked_at(patch: pytest.MonkeyPatch) -> None:
    """A Job that was made for fewer trials at a time is taken to be as it should."""
    patch.setattr(room, "unfit", lambda observed, child, desired: [])


@dataclass(frozen=True)
class Bug:
    plant: Plant
    case: Case
    found_as: str
    subject: Subject = TUNING_JOB


BUGS = {
    "a child's name with a random suffix": Bug(_second_name, Case(), "more than one Job of one TuningJob"),
    "status read as truth": Bug(_status_as_truth, Case(), "at rest with"),
    "the end recorded before the work is done": Bug(
        _end_before_cleaning, Case(("time passes",), {"image_missing": True}), "was changed after the end"
    ),
    "the Job made before the spec is fixed": Bug(
        _job_before_start_time, Case(("change image",)), "the Job was made from another spec"
    ),
    "the template applied every time": Bug(_template_every_time, Case(), "it writes in every pass"),
    "a status bound to no version": Bug(
        _status_without_version, Case(("change image",)), "the Job was made from another spec"
    ),
    "startTime left out of a later status": Bug(_start_time_left_out, Case(), "startTime has changed"),
    "no wait for the pod of an earlier Job": Bug(
        _no_wait_for_old_pods, Case(("delete the Job",)), "two drivers share a study"
    ),
    "foreign objects overwritten": Bug(_foreign_objects_taken, Case((), {"foreign": True}), "is not ours"),
    "the Job made before its volume": Bug(_job_first, Case(), "the Job starts before what it needs"),
    "a predecessor's objects taken over": Bug(
        _no_look_for_predecessors, Case(("delete", "recreate")), "the Job starts among another's objects"
    ),
    "a message that is never the same": Bug(_ever_new_message, Case(), "it does not come to rest"),
    "a transition at every write": Bug(_transition_every_time, Case(("grow", "time passes")), "without a transition"),
    "room never looked at": Bug(
        _room_never_looked_at, Case(("ask for three at a time",)), "is left to run 3 trials", ATTENTIVE
    ),
    "a verdict written over": Bug(
        _verdict_forgotten, Case(("time passes",), {"image_missing": True}), "the verdict has changed"
    ),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_found(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug.plant(monkeypatch)
    with pytest.raises(BrokenError, match=bug.found_as):
        explore(scene(bug.subject, *bug.case.actions, **bug.case.given), model(bug.subject.operator()))
