"""Decides the next step of a ModelDeployment. Calls no API and reads no clock.

The order of the writes carries it over every crash:
1. The children of the revisions in use: their record first, so that what is served can be made again.
2. The decision, in the status. What follows is done from the record.
3. The route. A canary gets into it when all of its pods answer, at weight 0 first; every version of it sums to 100.
4. Last goes what the route no longer names.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from afina_api.modeldeployment import (
    ROLLOUT_ANNOTATION,
    DeploymentSummary,
    ModelDeployment,
    ModelDeploymentSpec,
    ModelDeploymentStatus,
)
from afina_api.reasons import ServingReason
from afina_operator import conditions as generic
from afina_operator.conditions import Condition
from afina_operator.driver.kind import InvalidSpecError, parsed
from afina_operator.errors import ClusterError
from afina_operator.modeldeployment import facts, objects
from afina_operator.modeldeployment.commands import obey
from afina_operator.modeldeployment.conditions import Standing, conditions
from afina_operator.modeldeployment.judging import looked
from afina_operator.modeldeployment.news import ended, events, title
from afina_operator.modeldeployment.observe import Observed
from afina_operator.modeldeployment.revisions import Revision, of_fresh
from afina_operator.modeldeployment.rollout import Canary, decide, goal, has_fresh_pods, is_shadow, replicas
from afina_operator.modeldeployment.status import record, recorded
from afina_operator.modeldeployment.surge import Sizes, reachable, sizes
from afina_operator.ownership import Owner, owner
from afina_operator.plan import Apply, ApplyStatus, Create, Delete, Plan, Write
from afina_operator.resources import (
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    SERVICES,
    Json,
    bound,
    contains,
    dig,
)
from afina_operator.settings import Settings

_SOON, _SELDOM = 2.0, 15.0
"""Seconds until the next pass: while something is under way, and to see an alias that has moved."""
_KEPT_RECORDS = 10


def plan(observed: Observed, settings: Settings, now: datetime) -> Plan:
    """The next step."""
    obj = observed.obj
    if dig(obj, "metadata", "deletionTimestamp"):
        return Plan(state="Deleting")
    try:
        turn = _Pass(observed, parsed(ModelDeployment, obj), settings, now)
    except InvalidSpecError as error:
        return _without_spec(obj, str(error), now)
    return turn.plan()


def blocked(obj: Json, error: ClusterError, now: datetime) -> ApplyStatus | None:
    """What the status says when the API server refuses a request."""
    text = f"The API server refuses what is needed: {error}"
    return record(obj, recorded(obj), _kept(obj, Condition("Ready", "False", ServingReason.NOT_READY, text)), now)


def _without_spec(obj: Json, error: str, now: datetime) -> Plan:
    """The spec cannot be read. What is served goes on."""
    text = f"{error}. Correct the spec and apply it again; what is served goes on."
    invalid = Condition("Progressing", "False", ServingReason.INVALID_SPEC, text)
    written = record(obj, recorded(obj), _kept(obj, invalid), now)
    return Plan((written,) if written else (), _SELDOM, ServingReason.INVALID_SPEC)


def _kept(obj: Json, changed: Condition) -> list[Condition]:
    """The recorded conditions, one of them changed."""
    known = {
        kind: Condition(kind, found["status"], found["reason"], found.get("message", ""))
        for kind in ("Ready", "Progressing", "Inconclusive", "RolledBack")
        if (found := generic.condition(obj, kind))
    }
    return list({**known, changed.type: changed}.values())


@dataclass(frozen=True)
class _Decision:
    status: ModelDeploymentStatus
    weights: Mapping[str, int]
    """Of the route; none where there is to be no route yet."""


class _Pass:
    """One pass over one object."""

    def __init__(self, observed: Observed, deployment: ModelDeployment, settings: Settings, now: datetime) -> None:
        self._observed = observed
        self._obj = observed.obj
        self._deployment = deployment
        self._spec: ModelDeploymentSpec = deployment.spec
        self._settings = settings
        self._now = now
        self._before = recorded(observed.obj)
        self._records = observed.children.get(CONTROLLER_REVISIONS, {})
        self._workloads = observed.children.get(DEPLOYMENTS, {})
        self._known = facts.recorded_revisions(self._records)
        self._wanted = Revision.wanted(deployment, observed.model, settings) if observed.model else None
        if self._wanted:
            self._known[self._wanted.name] = self._wanted
        self._route_is_ours = observed.route is not None and owner(observed.route, observed.obj) is Owner.US
        self._weights = facts.weights(observed.route) if self._route_is_ours else {}

    def plan(self) -> Plan:
        decision = self._decide()
        standing, wanted = self._standing(decision), self._wanted.name if self._wanted else None
        said = conditions(self._spec, decision.status, standing, wanted)
        writes = [
            *self._children(decision.status),
            *events(self._obj, self._before, decision.status, self._now),
            *_present(record(self._obj, decision.status, said, self._now)),
            *ended(self._before, decision.status, self._now),
            *self._autoscaler(),
            *self._route(decision),
            *self._unused(decision),
        ]
        return Plan(tuple(writes), self._again(decision, said), said[0].reason)

    def _decide(self) -> _Decision:
        status = looked(self._found(), self._spec.rollout, self._observed.batches)
        text = dig(self._obj, "metadata", "annotations", ROLLOUT_ANNOTATION)
        status = obey(status, text if isinstance(text, str) else None, self._spec.rollout.steps, self._now)
        # The record counts too: somebody may have emptied the route.
        was_served = status.weight is not None or bool(status.stable and status.stable.revision in self._weights)
        status = decide(status, self._spec, self._wanted, self._canary(status), self._now, stable_was_served=was_served)
        weights = self._desired_weights(status)
        return _Decision(status.model_copy(update=self._shown(status, weights)), weights)

    def _found(self) -> ModelDeploymentStatus:
        """What was recorded; where the record is lost, what is served is stable, and all else begins anew."""
        shares = Counter[str]()
        for name, share in self._weights.items():
            shares[of_fresh(name)] += share
        served = max(shares, key=shares.__getitem__, default="")
        if self._before.stable or served not in self._known:
            return self._before
        return self._before.model_copy(update={"stable": self._known[served].status()})

    def _canary(self, status: ModelDeploymentStatus) -> Canary:
        name = status.canary.revision if status.canary else ""
        pods, wanted, fresh = self._observed.pods, self._sizes(status).canary, self._fresh(status)
        waiting = facts.obstacle(pods, name)
        if fresh and not waiting:
            waiting = facts.crash(pods, fresh.name) or facts.obstacle(pods, fresh.name)
        return Canary(
            ready=self._ready(name),
            wanted=wanted,
            weight=self._weights.get(name),
            crash=facts.crash(pods, name),
            waiting=waiting,
            has_baseline=fresh is None or self._ready(fresh.name) >= wanted,
        )

    def _fresh(self, status: ModelDeploymentStatus) -> Revision | None:
        """New pods of the stable revision, if the canary is to be compared with them."""
        if status.stable is None or status.canary is None or status.rollout is None:
            return None
        if not has_fresh_pods(self._spec.rollout, status.rollout.step):
            return None
        stable = self._known.get(status.stable.revision)
        return stable.fresh() if stable else None

    def _ready(self, revision: str) -> int:
        return facts.ready_replicas(self._workloads.get(revision))

    def _sizes(self, status: ModelDeploymentStatus) -> Sizes:
        """How many pods stable and canary shall have."""
        count, rollout = replicas(self._spec), self._spec.rollout
        if status.stable is None or status.canary is None or status.rollout is None:
            return Sizes(count, count)
        weight, aim = self._weights.get(status.canary.revision, 0), goal(rollout, status.rollout.step)
        return sizes(count, rollout.max_surge, weight, aim, self._pods(status.stable.revision))

    def _pods(self, revision: str) -> int:
        return int(dig(self._workloads.get(revision), "status", "replicas") or 0)

    def _desired_weights(self, status: ModelDeploymentStatus) -> dict[str, int]:
        """Of stable, canary and what is compared with it; they sum to 100, or there are none."""
        if status.stable is None:
            return {}
        stable = status.stable.revision
        if stable not in self._weights and not self._ready(stable):
            return {}
        if status.canary is None or status.rollout is None:
            return {stable: 100}
        canary, share, fresh = self._canary(status), 0, self._fresh(status)
        if canary.weight is None and not canary.is_complete:
            return {stable: 100}
        if canary.weight is not None:
            aim = goal(self._spec.rollout, status.rollout.step) if canary.ready else 0
            surge = self._spec.rollout.max_surge
            share = reachable(replicas(self._spec), surge, canary.weight, aim, canary.ready)
        if fresh is None or not self._ready(fresh.name):
            return {stable: 100 - share, status.canary.revision: share}
        equal = min(share, 100 - share)
        return {stable: 100 - share - equal, fresh.name: equal, status.canary.revision: share}

    def _shown(self, status: ModelDeploymentStatus, weights: Mapping[str, int]) -> dict[str, object]:
        """What only people, and the scale subresource, read."""
        steps, rollout = len(self._spec.rollout.steps), status.rollout
        # An autoscaler that looked at idle pods too would find the load lower than it is.
        counted = [name for name, share in weights.items() if share] or list(self._workloads)
        summary = DeploymentSummary(
            stable=title(status.stable),
            canary=title(status.canary),
            step=f"{min(rollout.step + 1, steps)}/{steps}" if rollout else "",
        )
        return {
            "weight": weights.get(status.canary.revision, 0) if status.canary and weights else (0 if weights else None),
            "replicas": sum(map(self._pods, counted)),
            "selector": objects.selector(self._obj, counted),
            "address": _address(self._observed.gateway, self._spec),
            "summary": summary,
        }

    def _standing(self, decision: _Decision) -> Standing:
        status = decision.status
        stable = status.stable.revision if status.stable else ""
        canary, tried = status.canary.revision if status.canary else "", self._canary(status)
        pods, route = self._observed.pods, self._observed.route
        problem = facts.route_problem(route)
        if route is not None and not self._route_is_ours:
            problem = f"HTTPRoute {objects.own_name(self._obj)!r} exists already and is not this object's: delete it"
        return Standing(
            ready=self._ready(stable),
            has_gateway=self._observed.gateway is not None,
            is_accepted=self._route_is_ours and facts.is_accepted(route),
            route_problem=problem,
            waiting=facts.crash(pods, stable) or facts.obstacle(pods, stable),
            model_problem=self._observed.problem,
            canary_in_route=canary in decision.weights,
            canary_waiting=tried.crash or tried.waiting,
        )

    def _children(self, status: ModelDeploymentStatus) -> Iterator[Write]:
        """What the revisions in use need."""
        services, shall = self._observed.children.get(SERVICES, {}), self._sizes(status)
        used = (status.stable, status.canary)
        stable, canary = (self._known.get(one.revision) if one else None for one in used)
        for revision in (stable, canary):
            if revision and revision.name not in self._records:
                yield Create(objects.record(self._obj, revision, self._next_number()))
        for revision, count in (
            (stable, shall.stable),
            (canary, shall.canary),
            (self._fresh(status), shall.canary),
        ):
            if revision is None:
                continue
            workload = objects.deployment(self._obj, self._spec, revision, count, self._settings)
            yield from _made(self._workloads.get(revision.name), workload)
            yield from _made(services.get(revision.name), objects.service(self._obj, revision))
        if shadow := self._shadowed(status):
            yield from _made(services.get(objects.shadow_name(self._obj)), objects.shadow_service(self._obj, shadow))

    def _shadowed(self, status: ModelDeploymentStatus) -> Revision | None:
        """The canary, if it is shown copies of requests now."""
        if status.canary is None or status.rollout is None or not is_shadow(self._spec.rollout, status.rollout.step):
            return None
        return self._known.get(status.canary.revision)

    def _next_number(self) -> int:
        return 1 + max((int(dig(one, "revision") or 0) for one in self._records.values()), default=0)

    def _route(self, decision: _Decision) -> Iterator[Write]:
        is_taken = self._observed.route is not None and not self._route_is_ours
        if not decision.weights or self._observed.gateway is None or is_taken:
            return
        canary = decision.status.canary.revision if decision.status.canary else None
        desired = objects.route(self._obj, self._spec, decision.weights, canary if self._ready(canary or "") else None)
        yield from _made(self._observed.route, desired)

    def _autoscaler(self) -> Iterator[Write]:
        """What sets the replicas. It comes after the status, which tells it whose load to look at."""
        existing = self._observed.children.get(AUTOSCALERS, {})
        if self._spec.autoscaling is None:
            yield from map(Delete, existing.values())
            return
        desired = objects.autoscaler(self._obj, self._spec.autoscaling)
        yield from _made(existing.get(objects.own_name(self._obj)), desired)

    def _unused(self, decision: _Decision) -> Iterator[Delete]:
        """What neither the route as it was seen, nor the decision names. Its pods answer what they have begun."""
        status = decision.status
        used = {one.revision for one in (status.stable, status.canary) if one} | set(self._weights)
        if self._shadowed(status):
            used.add(objects.shadow_name(self._obj))
        if fresh := self._fresh(status):
            used.add(fresh.name)
        for resource in (SERVICES, DEPLOYMENTS):
            children = self._observed.children.get(resource, {})
            yield from (Delete(child) for name, child in children.items() if name not in used)
        past = sorted(
            (one for name, one in self._records.items() if name not in used),
            key=lambda one: int(dig(one, "revision") or 0),
        )
        yield from map(Delete, past[:-_KEPT_RECORDS])

    def _again(self, decision: _Decision, said: list[Condition]) -> float:
        """Pods, the route's status and the registry are not watched."""
        settled = said[0].status == "True" and decision.status.canary is None and decision.weights == self._weights
        return _SELDOM if settled else _SOON


def _made(existing: Json | None, desired: Json) -> Iterator[Write]:
    """What makes an object be as desired."""
    if existing is None:
        yield Create(desired)
    elif not contains(existing, desired):
        yield Apply(bound(desired, existing))


def _address(gateway: Json | None, spec: ModelDeploymentSpec) -> str | None:
    """Where the Gateway's first HTTP listener answers."""
    address = spec.endpoint.hostname or dig(gateway, "status", "addresses", 0, "value")
    listeners = dig(gateway, "spec", "listeners") or ()
    port = next((dig(one, "port") for one in listeners if dig(one, "protocol") == "HTTP"), None)
    if not address or not port:
        return None
    return f"http://{address}{'' if port == 80 else f':{port}'}{spec.endpoint.path}"


def _present(write: ApplyStatus | None) -> tuple[ApplyStatus, ...]:
    return (write,) if write else ()
