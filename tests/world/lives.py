"""The ways that an object's life can go on: everybody may act next, and in the midst of what the operator does."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from afina_operator.cluster import Cluster
from afina_operator.plan import Plan
from afina_operator.reconciler import Controller
from afina_operator.resources import CONFIG_MAPS, VOLUME_CLAIMS, Json
from world.apiserver import ApiServer
from world.explore import Model
from world.passes import Fault, Step, Track, run_on, track_pass
from world.rules import check_change, check_rest, check_world
from world.subjects import Scene, Subject, made

SILENT_AFTER = 4
"""Passes: the start, the verdict, the end, and one to see that all is done."""


def scene(
    subject: Subject,
    *actions: str,
    image_missing: bool = False,
    foreign: bool = False,
    over_quota: bool = False,
    alone: bool = False,
    **spec: Any,
) -> Scene:
    """An object of that spec was just applied; each action may happen as often as it is named.

    Args:
        subject: the object.
        actions: names of the subject's actions.
        image_missing: no pod can start for want of its image.
        foreign: a ConfigMap of somebody else has the name of a child.
        over_quota: the namespace may have no volume.
        alone: what the spec names is not there.
        spec: what differs from the subject's own.
    """
    over = frozenset({VOLUME_CLAIMS} if over_quota else ())
    world = ApiServer(check=partial(check_change, subject), over_quota=over)
    if not alone:
        subject.surroundings(world)
    world.make(subject.applied(**spec), "user")
    if foreign:
        world.make(made(subject.child(CONFIG_MAPS), data={"a": "b"}), "user")
    return Scene(subject, world, Counter(actions), image_missing)


def model(control: Controller[Any]) -> Model[Scene]:
    """All that can happen to an object under that controller."""
    passes = _Passes(control)
    return Model(
        key=Scene.key,
        steps=lambda current: _steps(passes, current),
        check=lambda current: check_world(current.subject, current.world),
        settle=lambda current: _settle(passes, current),
        check_settled=lambda current: check_rest(control, current),
    )


@dataclass(frozen=True)
class _Passed:
    """A pass in which nothing went wrong."""

    scene: Scene
    """The one after it."""
    accepted: int
    decided: Controller[Any]
    """The operator, whose plan is made."""
    track: Track


class _Passes:
    """The passes in which nothing goes wrong: one of them tells of all worlds of one key."""

    def __init__(self, control: Controller[Any]) -> None:
        self._control = control
        self._known: dict[Hashable, _Passed] = {}

    def of(self, before: Scene) -> _Passed:
        """How it goes from there."""
        key = before.key()
        if key not in self._known:
            after, decided = before.copy(), _deciding_once(self._control)
            done, track = track_pass(decided, after.world, after.subject.target)
            self._known[key] = _Passed(after, done.accepted, decided, track)
        return self._known[key]


def _steps(passes: _Passes, before: Scene) -> Iterator[tuple[str, Scene]]:
    passed = passes.of(before)
    _check_silence(passes, passed)
    others = dict(_others(before))
    for name, act in others.items():
        yield name, act(before.copy())
    yield "pass", passed.scene
    for number, world in enumerate(passed.track.worlds):
        # To crash before the first write is to do nothing.
        crash = {"crash": Fault(number)} if number else {}
        for name, fault in {**crash, "refusal": Fault(number, refused=True)}.items():
            yield f"{name} at {number}", _go_on(passed, replace(before, world=world.copy()), fault)
        for name, act in others.items():
            yield f"{name} at {number}", _race(passed, replace(before, world=world.copy()), number, act)


def _deciding_once(control: Controller[Any]) -> Controller[Any]:
    """The same, for copies of one world: whatever becomes of its writes, it has planned them before."""
    plans: list[Plan] = []

    async def observe(cluster: Cluster, obj: Json) -> Any:
        return None if plans else await control.observe(cluster, obj)

    def plan(observed: Any, *, now: datetime) -> Plan:
        if not plans:
            plans.append(control.plan(observed, now=now))
        return plans[0]

    return replace(control, observe=observe, plan=plan)


Act = Callable[[Scene], Scene]


def _others(scene: Scene) -> Iterator[tuple[str, Act]]:
    """All that anybody but the operator may do."""
    for name, step in scene.nature().items():
        yield name, partial(_did, step=step)
    for name, count in scene.left.items():
        if count:
            yield name, partial(_acted, name=name)


def _did(current: Scene, step: Step) -> Scene:
    step(current.world)
    return current


def _acted(current: Scene, name: str) -> Scene:
    before = current.world.moment()
    current.subject.actions[name](current.world)
    if current.world.moment() == before:
        return current
    return replace(current, left={**current.left, name: current.left[name] - 1})


def _go_on(passed: _Passed, current: Scene, fault: Fault) -> Scene:
    run_on(passed.decided, current.world, current.subject.target, passed.track, fault)
    return current


def _race(passed: _Passed, current: Scene, at: int, act: Act) -> Scene:
    """Somebody acts between what the operator sees and what it writes; if nothing comes of it, neither does here."""
    before = current.world.moment()
    acted = act(current)
    return passed.scene if acted.world.moment() == before else _go_on(passed, acted, Fault(at, lambda _: None))


def _check_silence(passes: _Passes, passed: _Passed) -> None:
    """Alone with a world that does not move, the operator has soon nothing left to write.

    Args:
        passes: the operator's.
        passed: its first one.
    """
    for _ in range(SILENT_AFTER - 1):
        if passed.accepted == 0:
            return
        passed = passes.of(passed.scene)
    assert passed.accepted == 0, "it writes in every pass"


def _settle(passes: _Passes, before: Scene) -> Scene | None:
    """The next step when everybody does his work: the operator, the cluster, the driver, and then time."""

    def work(current: Scene) -> Scene:
        return passes.of(current).scene

    everybody = [partial(_did, step=step) for step in before.nature().values()]
    actions = before.subject.actions
    driver = partial(_did, step=actions["driver ends"])
    acts: list[Act] = [work, *everybody, driver, lambda current: work(_did(current, actions["time passes"]))]
    for act in acts:
        after = act(before.copy())
        if after.world.digests != before.world.digests:
            return after
    return None
