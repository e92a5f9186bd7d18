"""A ModelDeployment in the simulated world: registry, Deployment controller, Gateway, autoscaler and traffic."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from afina_api.modeldeployment import CountedMetric
from afina_api.serving import DIFFERENCE_BOUNDS, LATENCY_BOUNDS
from afina_operator.conditions import condition
from afina_operator.modeldeployment.facts import weights
from afina_operator.modeldeployment.handlers import controller
from afina_operator.modeldeployment.objects import LABEL, REVISION_LABEL
from afina_operator.modeldeployment.observe import Observer
from afina_operator.modeldeployment.readings import Reading, Told
from afina_operator.registry import ModelUnavailableError, RegisteredVersion
from afina_operator.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    GATEWAYS,
    HTTP_ROUTES,
    MODEL_DEPLOYMENTS,
    PODS,
    SERVICES,
    Json,
    Ref,
    dig,
    ref,
)
from afina_operator.settings import Settings
from world.apiserver import OPERATOR, ApiServer, Change
from world.passes import Fault, Pass, run_pass
from world.subjects import NAMESPACE, made

TARGET = Ref(MODEL_DEPLOYMENTS, NAMESPACE, "loans")
SHADOW = Ref(SERVICES, NAMESPACE, "mldep-loans-shadow")
ROUTE = Ref(HTTP_ROUTES, NAMESPACE, "mldep-loans")
GATEWAY = Ref(GATEWAYS, NAMESPACE, "afina")
URI = "models:/loans@champion"
_LATENCY_BUCKETS = [("afina_model_request_seconds_bucket", str(bound)) for bound in LATENCY_BOUNDS]
SPEC: Json = {
    "model": {"uri": URI},
    "replicas": 2,
    "rollout": {
        "steps": [{"setWeight": 10}, {"analysis": {"minSamples": 200}}, {"setWeight": 50}, {"pauseSeconds": 30}],
        "progressDeadlineSeconds": 120,
    },
    "endpoint": {"gatewayRef": {"name": "afina"}, "path": "/loans"},
}


@dataclass
class Models:
    """A registry: what the champion is now."""

    champion: str | None = "1"

    async def resolve(self, uri: str) -> RegisteredVersion:
        version = self.champion if uri == URI else uri.rpartition("/")[2]
        if version is None:
            raise ModelUnavailableError("the registry does not answer")
        digest = "sha256:" + version.zfill(64)
        return RegisteredVersion("loans", version, digest, f"s3://models/{version}")


@dataclass(frozen=True)
class Behaviour:
    """How the servers of a version do."""

    starts: bool = True
    """No node has room for its pods, else."""
    room: int = 1000
    """For so many of them there is."""
    crashes: bool = False
    error_share: float = 0.0
    slowness: int = 0
    """Buckets by which its latencies are higher."""
    changed: float = 0.0
    """Share of rows that it gives another answer to than others do."""
    uncertainty: float = 0.2
    """Of its answers, on average."""
    complaints: float = 0.0
    """Share of its answers that somebody complains about, who counts that."""


@dataclass
class Lab:
    """A world with one ModelDeployment, whose every write is checked."""

    world: ApiServer = field(init=False)
    models: Models = field(default_factory=Models)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    """By version of the model, or by the name of a Deployment."""
    counted: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    """Counters of the pods, by their uid."""
    complaints: dict[str, Counter[str]] = field(default_factory=dict)
    """What Prometheus knows: hits and total, by revision."""
    silence: str = ""
    """Why Prometheus says nothing."""
    routes: list[Mapping[str, int]] = field(default_factory=list)
    """All weights that the route ever had."""

    def __post_init__(self) -> None:
        self.world = ApiServer(check=self._check)
        self.world.make(made(GATEWAY, spec={"listeners": [{"protocol": "HTTP", "port": 8000}]}), "user")
        self.control = controller(Observer(self.models, self._ask, self._read), Settings())

    def apply(self, **spec: Any) -> None:
        """Apply the object, or change it."""
        if TARGET in self.world.objects:
            self.world.edit(TARGET, lambda obj: {**obj, "spec": obj["spec"] | spec}, "user")
        else:
            self.world.make(made(TARGET, spec=SPEC | spec), "user")

    def say(self, text: str) -> None:
        """Tell the rollout something."""
        note = {"annotations": {"afina.dev/rollout": text}}
        self.world.edit(TARGET, lambda obj: {**obj, "metadata": obj["metadata"] | note}, "user")

    def work(self, fault: Fault | None = None) -> Pass:
        """One pass of the operator."""
        return run_pass(self.control, self.world, TARGET, fault)

    def restart_operator(self) -> None:
        """What it had in its memory is gone."""
        self.control = controller(Observer(self.models, self._ask, self._read), Settings())

    def nature(self) -> None:
        """The Deployment controller makes pods, the kubelet starts them, the Gateway takes the route."""
        for workload in self.world.of(DEPLOYMENTS):
            self._run(workload)
        kept = {name.name for name in self.world.objects if name.resource is DEPLOYMENTS}
        for pod in self.world.of(PODS):
            if dig(pod, "metadata", "labels", REVISION_LABEL) not in kept:
                self.world.remove(Ref(PODS, NAMESPACE, pod["metadata"]["name"]), "garbage-collector")
        route = self.world.objects.get(ROUTE)
        if route:
            seen = {"observedGeneration": route["metadata"]["generation"], "status": "True"}
            parents = [{"conditions": [{"type": "Accepted", **seen}, {"type": "ResolvedRefs", **seen}]}]
            self.world.write_status(made(ROUTE, status={"parents": parents}), "gateway")

    def _run(self, workload: Json) -> None:
        name, count = workload["metadata"]["name"], workload["spec"]["replicas"]
        behaviour = self._behaviour(workload)
        for surplus in self._pods(name)[count:]:
            self.world.remove(ref(surplus), "deployment-controller")
        for index in range(count):
            target = Ref(PODS, NAMESPACE, f"{name}-{index}")
            if target not in self.world.objects:
                pod = made(target)
                pod["metadata"]["labels"] = workload["spec"]["template"]["metadata"]["labels"]
                self.world.make(pod, "deployment-controller")
            placed = replace(behaviour, starts=behaviour.starts and index < behaviour.room)
            self.world.write_status(made(target, status=_pod_status(placed)), "kubelet")
        ready = min(count, behaviour.room) if behaviour.starts and not behaviour.crashes else 0
        status = {
            "observedGeneration": workload["metadata"]["generation"],
            "replicas": count,
            "updatedReplicas": count,
            "readyReplicas": ready,
        }
        self.world.write_status(made(Ref(DEPLOYMENTS, NAMESPACE, name), status=status), "deployment-controller")

    def _pods(self, revision: str) -> list[Json]:
        return [pod for pod in self.world.of(PODS) if dig(pod, "metadata", "labels", REVISION_LABEL) == revision]

    def _behaviour(self, workload: Json) -> Behaviour:
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        version = next(one["value"] for one in container["env"] if one["name"] == "AFINA_MODEL_VERSION")
        return self.behaviours.get(workload["metadata"]["name"]) or self.behaviours.get(version, Behaviour())

    def traffic(self, requests: int) -> None:
        """So many requests, split as the route says, evenly over the ready pods; and copies of them for a shadow."""
        shadow = dig(self.world.objects.get(SHADOW), "spec", "selector", REVISION_LABEL)
        for revision, weight in self.weights().items():
            count = requests * weight // 100
            behaviour = self._asked(revision, count)
            known = self.complaints.setdefault(revision, Counter())
            known.update(total=count, hits=round(count * behaviour.complaints))
            if shadow and revision != shadow:
                self._asked(shadow, count)
                self._compared(revision, count, shadow)

    def _asked(self, revision: str, count: int) -> Behaviour:
        workload = self.world.objects[Ref(DEPLOYMENTS, NAMESPACE, revision)]
        behaviour = self._behaviour(workload)
        for counters in self._counters(revision):
            share = count // workload["spec"]["replicas"]
            failed = round(share * behaviour.error_share)
            counters["afina_model_requests_total", "500"] += failed
            counters["afina_model_requests_total", "200"] += share - failed
            counters["afina_model_uncertainty_sum", ""] += round(share * behaviour.uncertainty)
            counters["afina_model_uncertainty_count", ""] += share
            typical = 40 + behaviour.slowness
            for index, bucket in enumerate(_LATENCY_BUCKETS):
                # A tenth of the requests takes longer.
                counters[bucket] += share if index >= typical + 5 else share * 9 // 10 if index >= typical else 0
            counters["afina_model_request_seconds_bucket", "+Inf"] += share
        return behaviour

    def _compared(self, revision: str, count: int, shadow: str) -> None:
        """Rows are either the same or altogether different."""
        changed = self._behaviour(self.world.objects[Ref(DEPLOYMENTS, NAMESPACE, shadow)]).changed
        pods = self._counters(revision)
        for counters in pods:
            share = count // len(pods)
            for bound in DIFFERENCE_BOUNDS:
                below = share if bound == DIFFERENCE_BOUNDS[-1] else round(share * (1 - changed))
                counters["afina_model_shadow_difference_bucket", str(bound)] += below

    def _counters(self, revision: str) -> list[Counter[tuple[str, str]]]:
        return [self.counted.setdefault(pod["metadata"]["uid"], Counter()) for pod in self._pods(revision)]

    def autoscale(self, load: int) -> None:
        """The HorizontalPodAutoscaler acts on a load, in percent of a pod's processors.

        By the algorithm of https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale: pods
        that are not ready count as idle ones where more are wanted, and hold it back where fewer would be.
        """
        (scaler,) = self.world.of(AUTOSCALERS)
        bounds, target = scaler["spec"], scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"]
        selected = self.selected()
        ready = [pod for pod in selected if {"type": "Ready", "status": "True"} in pod["status"]["conditions"]]
        more = load / len(ready) > target
        ratio = load / len(selected if more else ready) / target
        replicas = self.world.objects[TARGET]["spec"]["replicas"]
        holds = abs(ratio - 1) <= 0.1 or (more and ratio < 1 and len(ready) < len(selected))
        wanted = replicas if holds else math.ceil(load / target)
        wanted = min(max(wanted, bounds["minReplicas"]), bounds["maxReplicas"])
        self.world.edit(TARGET, lambda obj: {**obj, "spec": obj["spec"] | {"replicas": wanted}}, "autoscaler")

    def selected(self) -> list[Json]:
        """The pods that the scale subresource's selector selects."""
        own, _, revisions = self.status()["selector"].partition(f",{REVISION_LABEL} in ")
        assert own == f"{LABEL}={TARGET.name}"
        return [pod for name in revisions.strip("()").split(",") for pod in self._pods(name)]

    async def _read(self, pods: Sequence[Json], port: int) -> Reading:
        known = {pod["metadata"]["uid"]: self.counted.get(pod["metadata"]["uid"], Counter()) for pod in pods}
        return Reading({uid: dict(counters) for uid, counters in known.items()})

    async def _ask(self, metrics: Sequence[CountedMetric], revisions: Sequence[str]) -> Mapping[str, Told]:
        if self.silence:
            return dict.fromkeys(revisions, Told(problem=self.silence))
        known = {name: self.complaints.get(name, Counter()) for name in revisions}
        counted = {name: (float(one["hits"]), one["total"]) for name, one in known.items()}
        return {name: Told({metric.name: counted[name] for metric in metrics}) for name in revisions}

    def live(
        self, until: Callable[["Lab"], bool], *, requests: int = 200, seconds: float = 2.0, passes: int = 400
    ) -> None:
        """Let everybody work until something is so.

        Raises:
            AssertionError: it does not come about.
        """
        for _ in range(passes):
            self.work()
            self.nature()
            if until(self):
                return
            self.traffic(requests)
            self.world.wait(seconds)
        raise AssertionError(f"it does not come about: {self.status()}")

    def rest(self) -> None:
        """Let everybody work until nothing is left to do."""
        for _ in range(20):
            before = dict(self.world.digests)
            self.work()
            self.nature()
            self.world.wait(2.0)
            if self.world.digests == before:
                return
        raise AssertionError("it does not come to rest")

    def status(self) -> Json:
        """Of the object."""
        return self.world.objects[TARGET].get("status") or {}

    def weights(self) -> dict[str, int]:
        """Of the route."""
        return weights(self.world.objects.get(ROUTE))

    def versions(self) -> dict[str, int]:
        """Percent by the model's version."""
        shares = self.weights()
        by_revision = {
            name.name: next(
                one["value"]
                for one in workload["spec"]["template"]["spec"]["containers"][0]["env"]
                if one["name"] == "AFINA_MODEL_VERSION"
            )
            for name, workload in self.world.objects.items()
            if name.resource is DEPLOYMENTS
        }
        found = Counter[str]()
        for name, share in shares.items():
            found[by_revision[name]] += share
        return dict(found)

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = condition(self.world.objects[TARGET], kind)
        return found.get("status", ""), found.get("reason", "")

    def message(self, kind: str) -> str:
        """Message of a condition."""
        return str(condition(self.world.objects[TARGET], kind).get("message", ""))

    def _check(self, world: ApiServer, change: Change) -> None:
        """What holds of every write of the operator."""
        if change.by != OPERATOR:
            return
        if change.target == ROUTE and change.after is not None:
            shares = weights(change.after)
            if change.before is None or shares != weights(change.before):
                self.routes.append(shares)
            assert sum(shares.values()) == 100, f"the weights sum to {sum(shares.values())}"
            tried = shares.get(dig(world.objects[TARGET], "status", "canary", "revision"), 0)
            for name, share in shares.items():
                assert not name.endswith("-base") or share == min(tried, 100 - tried), "compared with another share"
                assert Ref(SERVICES, NAMESPACE, name) in world.objects, "the route names a Service that is not there"
                new = share > 0 and share > weights(change.before).get(name, 0)
                workload = world.objects.get(Ref(DEPLOYMENTS, NAMESPACE, name))
                ready = int(dig(workload, "status", "readyReplicas") or 0)
                assert not new or ready, "traffic goes where nobody answers"
                is_canary = name == dig(world.objects[TARGET], "status", "canary", "revision")
                assert not (new and is_canary) or 100 * ready >= share * self._replicas(), "more than the canary bears"
        named = weights(world.objects.get(ROUTE))
        if change.after is None and change.target.resource in (DEPLOYMENTS, SERVICES):
            assert change.target.name not in named, f"{change.target} is deleted while the route names it"
        elif change.target.resource is DEPLOYMENTS and change.target.name in named:
            # Of a share, a percent: the weights are whole ones.
            borne, least = dig(change.after, "spec", "replicas"), named[change.target.name] - 1
            assert 100 * borne >= least * self._replicas(), "pods are taken from the share that they bear"

    def _replicas(self) -> int:
        """Pods that bear all requests."""
        spec = self.world.objects[TARGET]["spec"]
        bounds = spec.get("autoscaling") or {"minReplicas": 1, "maxReplicas": 1000}
        return int(min(max(spec["replicas"], bounds["minReplicas"]), bounds["maxReplicas"]))


def _pod_status(behaviour: Behaviour) -> Json:
    if behaviour.crashes:
        ended = {"exitCode": 10, "message": '{"reason": "DigestMismatch", "message": "a file was changed"}'}
        return {"containerStatuses": [{"restartCount": 1, "lastState": {"terminated": ended}}]}
    if behaviour.starts:
        return {"conditions": [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready")]}
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}
    return {"conditions": [unplaced]}
