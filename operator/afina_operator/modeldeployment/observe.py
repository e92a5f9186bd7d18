"""Reads all that the plan of a ModelDeployment depends on. Live, from the API server, the registry and the pods."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from afina_api.modeldeployment import CountedMetric, ModelDeployment, Rollout
from afina_operator.cluster import Cluster
from afina_operator.driver.kind import InvalidSpecError, parsed
from afina_operator.driver.references import named
from afina_operator.modeldeployment.facts import weights
from afina_operator.modeldeployment.objects import LABEL, REVISION_LABEL, own_name
from afina_operator.modeldeployment.pod import PORT
from afina_operator.modeldeployment.readings import Batch, Reading, Readings, Told, read
from afina_operator.modeldeployment.rollout import compared_with, is_shadow
from afina_operator.ownership import Owner, owner
from afina_operator.registry import ModelUnavailableError, RegisteredVersion, Registry
from afina_operator.resources import (
    AUTOML_JOBS,
    AUTOSCALERS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    GATEWAYS,
    HTTP_ROUTES,
    PODS,
    SERVICES,
    Json,
    Ref,
    Resource,
    dig,
)

_VERSION_DIGITS = 12
"""So much of its digest is the version of a model that has none."""


@dataclass(frozen=True)
class Observed:
    """A ModelDeployment and what exists of its children."""

    obj: Json
    model: RegisteredVersion | None = None
    """What the spec's model means now; None where nobody knows."""
    problem: str = ""
    """Why nobody knows."""
    gateway: Json | None = None
    route: Json | None = None
    """What has the name of its route: whose it is must be looked at."""
    children: Mapping[Resource, Mapping[str, Json]] = field(default_factory=dict)
    """Its own records, Deployments and Services, by revision; its HorizontalPodAutoscaler, by name."""
    pods: Sequence[Json] = ()
    batches: Mapping[str, Batch | None] | None = None
    """What stable and canary did since the last look; None where that is not known."""


class Observer:
    """Observes one object after the other, and remembers what the servers said last."""

    def __init__(
        self,
        registry: Registry,
        ask: Callable[[Sequence[CountedMetric], Sequence[str]], Awaitable[Mapping[str, Told]]],
        read: Callable[[Sequence[Json], int], Awaitable[Reading]] = read,
    ) -> None:
        """Know whom to ask.

        Args:
            registry: for models.
            ask: for what others have counted of some revisions.
            read: for what some pods have counted.
        """
        self._registry = registry
        self._ask = ask
        self._read = read
        self._readings = Readings()

    async def __call__(self, cluster: Cluster, obj: Json) -> Observed:
        """What exists of the object's children."""
        own, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        route = Ref(HTTP_ROUTES, namespace, own_name(obj))
        gateways = named(obj, GATEWAYS, "endpoint", "gatewayRef", "name")
        found_route, *found_gateway = await cluster.get_all([route, *(target for _, target in gateways)])
        children = {}
        for resource in (CONTROLLER_REVISIONS, DEPLOYMENTS, SERVICES, AUTOSCALERS):
            labelled = await cluster.find(resource, namespace, labels=f"{LABEL}={own}")
            # A list leaves out what its items are.
            whole = ({**item, "apiVersion": resource.api_version, "kind": resource.kind} for item in labelled)
            children[resource] = {item["metadata"]["name"]: item for item in whole if owner(item, obj) is Owner.US}
        pods = await cluster.find(PODS, namespace, labels=f"{LABEL}={own}")
        model, problem = await self._model(cluster, obj)
        return Observed(
            obj=obj,
            model=model,
            problem=problem,
            gateway=found_gateway[0] if found_gateway else None,
            route=found_route,
            children=children,
            pods=pods,
            batches=await self._batches(obj, found_route, pods),
        )

    async def _model(self, cluster: Cluster, obj: Json) -> tuple[RegisteredVersion | None, str]:
        try:
            if found := _in_s3(obj):
                return found, ""
            return await self._registry.resolve(await self._uri(cluster, obj)), ""
        except ModelUnavailableError as error:
            return None, str(error)

    async def _uri(self, cluster: Cluster, obj: Json) -> str:
        """The URI of the spec, or of the model that its job has registered."""
        jobs = named(obj, AUTOML_JOBS, "model", "autoMLJobRef", "name")
        if not jobs:
            return str(dig(obj, "spec", "model", "uri"))
        target = jobs[0][1]
        model = dig(await cluster.get(target), "status", "model")
        if not dig(model, "version"):
            raise ModelUnavailableError(f"spec.model.autoMLJobRef: {target} has registered no model yet")
        return f"models:/{model['name']}/{model['version']}"

    async def _batches(self, obj: Json, route: Json | None, pods: Sequence[Json]) -> Mapping[str, Batch | None] | None:
        stable, canary = (dig(obj, "status", role, "revision") for role in ("stable", "canary"))
        uid, rollout, step = obj["metadata"]["uid"], _rollout(obj), int(dig(obj, "status", "rollout", "step") or 0)
        if rollout is None or not canary or not (weights(route).get(canary) or is_shadow(rollout, step)):
            self._readings.forget(uid)
            return None
        sides = (compared_with(rollout, step, stable), canary)
        now = {one: await self._read([pod for pod in pods if _serves(pod, one)], PORT) for one in sides}
        if rollout.judge.metrics:
            told = await self._ask(rollout.judge.metrics, sides)
            now = {one: replace(reading, told=told[one]) for one, reading in now.items()}
        looks = int(dig(obj, "status", "rollout", "looks") or 0)
        started = dig(obj, "status", "rollout", "startTime")
        # What other pods have counted before they were compared is left out, too.
        return self._readings.batches(uid, f"{canary}/{started}/{sides[0]}", looks, now)


def _in_s3(obj: Json) -> RegisteredVersion | None:
    """The model that the spec itself says all of."""
    uri, digest = (str(dig(obj, "spec", "model", key) or "") for key in ("uri", "digest"))
    if not uri.startswith("s3://"):
        return None
    number = digest.removeprefix("sha256:")[:_VERSION_DIGITS]
    return RegisteredVersion(obj["metadata"]["name"], number, digest, uri, dig(obj, "spec", "model", "s3"))


def _rollout(obj: Json) -> Rollout | None:
    """Of the spec; None where that cannot be read."""
    try:
        return parsed(ModelDeployment, obj).spec.rollout
    except InvalidSpecError:
        return None


def _serves(pod: Json, revision: str) -> bool:
    return dig(pod, "metadata", "labels", REVISION_LABEL) == revision and not dig(pod, "metadata", "deletionTimestamp")
