"""The ways that an object's life can go on: everybody may act next, and in the midst of what the operator does."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from afina_operator.cluster import Cluster
from afina_operator.plan import Plan
from afina_operator.reconciler import Controller
from afina_operator.resources import CONFIG_MAPS, VOLUME_CLAIMS, Json
from world.apiserver import ApiServer
from world.explore import Model
from world.passes import Fault, Step, run_pass
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
    return Model(
        key=Scene.key,
        steps=lambda current: _steps(control, current),
        settle=lambda current: _settle(control, current),
        check_settled=lambda current: check_rest(control, current),
    )


def _steps(control: Controller[Any], before: Scene) -> Iterator[tuple[str, Scene]]:
    passed, decided = before.copy(), _deciding_once(control)
    done = run_pass(decided, passed.world, passed.subject.target)
    check_world(passed.subject, passed.world)
    _check_silence(control, passed, done.accepted)
    others = dict(_others(before))
    for name, act in others.items():
        yield name, _stepped(before, act)
    yield "pass", passed
    for number in range(done.tried):
        # To crash before the first write is to do nothing.
        crash = {"crash": Fault(number)} if number else {}
        for name, fault in {**crash, "refusal": Fault(number, refused=True)}.items():
            yield f"{name} at {number}", _stepped(before, partial(_pass, decided, fault=fault))
        for name, act in others.items():
            yield f"{name} at {number}", _stepped(before, partial(_race, decided, at=number, act=act))


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
    before = current.world.state()
    current.subject.actions[name](current.world)
    if current.world.state() == before:
        return current
    return replace(current, left={**current.left, name: current.left[name] - 1})


def _pass(control: Controller[Any], current: Scene, *, fault: Fault | None = None) -> Scene:
    run_pass(control, current.world, current.subject.target, fault)
    return current


def _race(control: Controller[Any], current: Scene, *, at: int, act: Act) -> Scene:
    """Somebody acts between what the operator sees and what it writes."""
    acted = [current]

    def meanwhile(_: ApiServer) -> None:
        acted.append(act(current))

    run_pass(control, current.world, current.subject.target, Fault(at, meanwhile))
    return acted[-1]


def _stepped(before: Scene, act: Act) -> Scene:
    after = act(before.copy())
    check_world(after.subject, after.world)
    return after


def _check_silence(control: Controller[Any], passed: Scene, accepted: int) -> None:
    """Alone with a world that does not move, the operator has soon nothing left to write.

    Args:
        control: the operator.
        passed: after its first pass.
        accepted: how much it wrote in that.
    """
    world = passed.world.copy()
    for _ in range(SILENT_AFTER - 1):
        if accepted == 0:
            return
        accepted = run_pass(control, world, passed.subject.target).accepted
    assert accepted == 0, "it writes in every pass"


def _settle(control: Controller[Any], before: Scene) -> Scene | None:
    """The next step when everybody does his work: the operator, the cluster, the driver, and then time."""
    work = partial(_pass, control)
    everybody = [partial(_did, step=step) for step in before.nature().values()]
    actions = before.subject.actions
    driver = partial(_did, step=actions["driver ends"])
    acts: list[Act] = [work, *everybody, driver, lambda current: work(_did(current, actions["time passes"]))]
    for act in acts:
        after = _stepped(before, act)
        if after.world.digests != before.world.digests:
            return after
    return None
