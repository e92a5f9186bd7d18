"""Long lives of a TuningJob, at random: events that are lost or late, restarts of the operator, users who interfere.

In the exhaustive exploration a pass can come at any time. Here it comes only when something calls for it: an event
that arrived, the audit, or the time that a plan named. Whatever happens, once nothing more goes wrong, those alone
must bring the job to its end; the slow resync is not needed for it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from afina_operator import audit
from afina_operator.driver import handlers
from afina_operator.driver.observe import Observed
from afina_operator.driver.plan import plan
from afina_operator.plan import Plan
from afina_operator.resources import TUNING_JOBS, dig
from afina_operator.settings import Settings
from afina_operator.tuningjob.objects import KIND
from world.apiserver import ApiServer, Change
from world.engine import Engine
from world.lives import scene
from world.passes import Fault
from world.rules import check_change, check_rest, check_world
from world.subjects import PAST_DEADLINE
from world.tuningjobs import TARGET, TUNING_JOB

ACTIONS, NATURE = TUNING_JOB.actions, scene(TUNING_JOB).nature()
LONGEST = 300
"""Undisturbed steps that must be enough to come to rest."""
SUSPENSION = ("suspend", "resume")
PARALLELISM = ("ask for three at a time", "ask for one at a time")
USERS = (
    *SUSPENSION,
    "grow",
    *PARALLELISM,
    "change image",
    "delete",
    "recreate",
    "delete the Job",
    "delete in foreground",
)
DRIVERS = ("driver reports", "driver crashes", "driver ends", "driver gives up")


class LongLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.scene = scene(TUNING_JOB)
        self.world: ApiServer = self.scene.world
        self.control = TUNING_JOB.operator()
        self.engine = Engine(self.world, {TUNING_JOBS: self.control}, handlers.watches([KIND]))
        self.world.check = self._accepted

    def _accepted(self, world: ApiServer, change: Change) -> None:
        check_change(TUNING_JOB, world, change)
        self.engine.heard(change)

    @rule(name=st.sampled_from(SUSPENSION))
    def a_user_suspends_or_resumes(self, name: str) -> None:
        ACTIONS[name](self.world)

    @rule(name=st.sampled_from(USERS))
    def a_user_acts(self, name: str) -> None:
        ACTIONS[name](self.world)

    @rule()
    def a_user_replaces_it_by_force(self) -> None:
        ACTIONS["delete"](self.world)
        ACTIONS["recreate"](self.world)

    @rule(name=st.sampled_from(DRIVERS))
    def a_driver_acts(self, name: str) -> None:
        ACTIONS[name](self.world)

    @rule(name=st.sampled_from([*NATURE]))
    def the_cluster_acts(self, name: str) -> None:
        NATURE[name](self.world)

    @rule(count=st.integers(1, 5))
    def events_arrive(self, count: int) -> None:
        for _ in range(count):
            self.engine.deliver()

    @precondition(lambda self: self.engine.events)
    @rule()
    def an_event_is_lost(self) -> None:
        self.engine.lose()

    @rule()
    def the_operator_works(self) -> None:
        self.engine.work()

    @rule(at=st.integers(0, 8))
    def the_operator_crashes(self, at: int) -> None:
        self.engine.work(Fault(at))

    @rule(at=st.integers(0, 8), name=st.sampled_from(USERS + DRIVERS))
    def somebody_is_quicker(self, at: int, name: str) -> None:
        self.engine.work(Fault(at, ACTIONS[name]))

    @rule(at=st.integers(0, 8))
    def a_write_is_refused(self, at: int) -> None:
        self.engine.work(Fault(at, refused=True))

    @rule(seconds=st.sampled_from([1.0, 30.0, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.wait(seconds)
        self.engine.look_around()

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        check_world(TUNING_JOB, self.world)

    def teardown(self) -> None:
        quiet = 0
        for _ in range(LONGEST):
            before = dict(self.world.digests)
            self._undisturbed()
            # Lost events come to light with the second audit at the latest.
            quiet = quiet + 1 if before == self.world.digests else 0
            if quiet > 2 * PAST_DEADLINE / 5:
                check_rest(self.control, self.scene)
                return
        raise AssertionError(f"it does not come to rest: {self.world.objects.get(TARGET)}")

    def _undisturbed(self) -> None:
        while self.engine.events:
            self.engine.deliver()
        self.engine.work()
        for step in NATURE.values():
            step(self.world)
        ACTIONS["driver ends"](self.world)
        if not self.engine.events:
            self.engine.wait_for_something()
            self.engine.look_around()


LIVES = settings(max_examples=300, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LongLife.TestCase.settings = LIVES
TestLongLives: Any = LongLife.TestCase


def _blind_to_users(patch: pytest.MonkeyPatch) -> None:
    """A change of the spec is taken for one of the driver's reports."""
    patch.setattr(handlers, "_without_progress", lambda job: dig(job, "status", "startTime"))


def _no_second_look(patch: pytest.MonkeyPatch) -> None:
    """What is waited for, and not watched, is not looked at again."""

    def only_once(observed: Observed, settings: Settings, now: datetime) -> Plan:
        return replace(plan(observed, settings, now), again_after=None)

    patch.setattr(handlers, "plan", only_once)


def _audit_of_nothing(patch: pytest.MonkeyPatch) -> None:
    """The audit finds nothing that was missed."""
    patch.setattr(audit, "_is_newer", lambda listed, seen: False)


@pytest.mark.parametrize("plant", [_blind_to_users, _no_second_look, _audit_of_nothing])
def test_a_planted_bug_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    one_is_enough = settings(LIVES, max_examples=500, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(LongLife, settings=one_is_enough)
