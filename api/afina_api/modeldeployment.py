"""ModelDeployment: serves a model, and rolls out each change of it by a judged canary."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator

from afina_api import quantity
from afina_api.base import DnsSubdomain, LocalReference, Metadata, Model, Resources, Status, refuse_duplicates, rule
from afina_api.s3 import S3Access, S3Bucket
from afina_api.serving import RuntimeName

ROLLOUT_ANNOTATION = "afina.dev/rollout"
"""Annotation that tells a rollout what to do: a verb, and whatever makes the text differ from what was said last."""
ROLLOUT_VERBS = {
    "promote": "Give the canary all of the traffic, whatever steps are left.",
    "abort": "Give the stable revision all of the traffic, and do not try the canary again.",
    "pause": "Take no step until `resume`. A bad canary is rolled back all the same.",
    "resume": "Go on after `pause`.",
    "approve": "Open the gate that the rollout waits at.",
    "skip": "End the present step.",
    "retry": "Try the revision again that was rolled back.",
}

_HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
"""Of HTTP, and of cookies: RFC 9110, section 5.6.2."""
RevisionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]


_NEEDS_DIGEST = "a model in s3 needs its digest, and no other has a digest or s3 here"


class ModelSource(Model):
    """Which model: by its name in the registry, by the job that made it, or by its place in S3."""

    rules: ClassVar = (
        rule("has(self.uri) != has(self.autoMLJobRef)", "exactly one of uri and autoMLJobRef must be set"),
        rule(
            "has(self.uri) && self.uri.startsWith('s3://') ? has(self.digest) : !has(self.digest) && !has(self.s3)",
            _NEEDS_DIGEST,
            field=".digest",
        ),
    )

    uri: (
        Annotated[
            str,
            StringConstraints(
                pattern=r"^(models:/[A-Za-z0-9][A-Za-z0-9 ._-]*(@[A-Za-z0-9_-]+|/[1-9][0-9]*)"
                r"|s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)+)$",
                max_length=256,
            ),
        ]
        | None
    ) = None
    """`models:/NAME@ALIAS` or `models:/NAME/VERSION`; an alias that moves starts a rollout by itself. Or
    `s3://BUCKET/PREFIX`, below which the model's files are in a folder `afina`, as in the registry's artifacts."""
    digest: Digest | None = None
    """Of a model in S3: hash of its files, as its manifest has it. What has another is not served."""
    s3: S3Access | None = None
    """Of a model in S3: its server and its keys."""
    auto_ml_job_ref: Annotated[LocalReference | None, Field(alias="autoMLJobRef")] = None
    """The AutoMLJob whose registered model is served."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.uri is None) == (self.auto_ml_job_ref is None):
            raise ValueError("exactly one of uri and autoMLJobRef must be set")
        if (self.uri or "").startswith("s3://"):
            if self.digest is None:
                raise ValueError(_NEEDS_DIGEST)
        elif self.digest is not None or self.s3 is not None:
            raise ValueError(_NEEDS_DIGEST)
        return self


_ONE_PROCESS = "Uvicorn predicts in one process: set replicas, or take RayServe"


class RuntimeSettings(Model):
    """How many predict in a pod."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of a pod that predict at the same time, with RayServe and TorchServe. Each has the model in memory and
    wants a processor."""


class Runtime(Model):
    """What serves the model."""

    rules: ClassVar = (
        rule(
            # The default of a runtime, {}, is checked without the defaults of its own fields.
            "!has(self.name) || self.name != 'Uvicorn' || self.settings.workers == 1",
            _ONE_PROCESS,
            field=".settings.workers",
        ),
    )

    name: RuntimeName = "Uvicorn"
    """Uvicorn: one process a replica. RayServe: several, of a Ray in the pod, which replaces those that die.
    TorchServe: several, of TorchServe, which is not maintained any more. Clients cannot tell which it is."""
    settings: Annotated[RuntimeSettings, Field(default_factory=RuntimeSettings)]
    """Of the runtime."""

    @model_validator(mode="after")
    def _is_one_process(self) -> Self:
        if self.name == "Uvicorn" and self.settings.workers != 1:
            raise ValueError(_ONE_PROCESS)
        return self


_LEAST_MEMORY = {"RayServe": "1536Mi", "TorchServe": "512Mi"}
"""What the processes of the runtime take, and a small model."""


def _too_little_memory(runtime: str) -> str:
    return f"{runtime} needs {_LEAST_MEMORY[runtime]} of memory"


class Analysis(Model):
    """Waits until the judge passes the canary."""

    min_samples: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Requests that the canary, and the stable revision, must have answered since the step began."""


class Shadow(Analysis):
    """Shows the canary copies of requests, whose answers nobody gets, until the judge passes it."""


class Gate(Model):
    """Waits until somebody approves: `afina approve`."""


class Step(Model):
    """One step of a rollout: exactly one of its fields."""

    rules: ClassVar = (
        rule(
            "[has(self.setWeight), has(self.pauseSeconds), has(self.analysis), has(self.gate), has(self.shadow)]"
            ".exists_one(x, x)",
            "a step has exactly one of setWeight, pauseSeconds, analysis, gate and shadow",
        ),
    )

    set_weight: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent of the requests that go to the canary from now on."""
    pause_seconds: Annotated[int, Field(ge=1, le=30 * 86_400)] | None = None
    """Waits so long."""
    analysis: Analysis | None = None
    """Waits until the judge passes the canary. It fails a bad one in every step, not only here."""
    gate: Gate | None = None
    """Waits until somebody approves."""
    shadow: Shadow | None = None
    """Shows the canary copies of the requests to `/predict`, whose answers nobody gets, until the judge passes it."""

    @property
    def judged(self) -> Analysis | None:
        """What the judge must pass before the step is done, if it must."""
        return self.analysis or self.shadow

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        kinds = (self.set_weight, self.pause_seconds, self.analysis, self.gate, self.shadow)
        if sum(value is not None for value in kinds) != 1:
            raise ValueError("a step has exactly one of setWeight, pauseSeconds, analysis, gate and shadow")
        return self


REVISION = "{{revision}}"
"""In a query: the name of the revision that is asked about."""
_OWN_METRICS = ("errors", "latency", "predictions", "answers", "uncertainty")
_IS_OWN = f"{', '.join(_OWN_METRICS)} are the judge's own"
_ONE_LIMIT = "exactly one of maxIncrease and maxDecrease must be set"
Query = Annotated[str, StringConstraints(pattern=r"\{\{revision\}\}", max_length=1024)]


class CountedMetric(Model):
    """A share of something that others count by revision, and Prometheus knows: complaints, clicks, wrong answers."""

    rules: ClassVar = (
        rule("has(self.maxIncrease) != has(self.maxDecrease)", _ONE_LIMIT),
        rule(f"!(self.name in {list(_OWN_METRICS)})", _IS_OWN, field=".name"),
    )

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
    """What the verdict calls it."""
    hits: Query
    """PromQL of a counter: how many so far have shown it, or the sum of numbers from 0 to 1. `{{revision}}` stands for
    the revision's name, to be written within quotes."""
    total: Query
    """PromQL of a counter: how many so far might have shown it."""
    max_increase: Annotated[float, Field(ge=0, le=0.99)] | None = None
    """By so much the canary's share may be greater, where more is worse."""
    max_decrease: Annotated[float, Field(ge=0, le=0.99)] | None = None
    """By so much the canary's share may be less, where less is worse."""

    @field_validator("name")
    @classmethod
    def _is_not_our_own(cls, name: str) -> str:
        if name in _OWN_METRICS:
            raise ValueError(_IS_OWN)
        return name

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.max_increase is None) == (self.max_decrease is None):
            raise ValueError(_ONE_LIMIT)
        return self


class Judge(Model):
    """How much worse than the stable revision the canary may be."""

    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    """Probability, at most, that a canary within the margins is failed, however often one looks; and that one beyond
    them passes an analysis."""
    max_error_share_increase: Annotated[float, Field(ge=0, le=0.99)] = 0.01
    """By so much the canary's share of failed requests may be greater."""
    max_latency_ratio: Annotated[float, Field(ge=1.1, le=100)] = 1.5
    """So many times the stable revision's latency may the canary's be, at the median and at the 95th percentile."""
    max_prediction_drift: Annotated[float, Field(gt=0, le=0.99)] | None = None
    """By so much the share of any class, or of any range of predicted numbers, may differ. Unset: by anything."""
    max_changed_answers: Annotated[float, Field(gt=0, le=0.99)] | None = None
    """In a step `shadow`: this share of rows may get another answer than from the stable revision: another class, or a
    number that is more than a tenth away. Unset: all of them."""
    max_uncertainty_increase: Annotated[float, Field(ge=0, le=0.99)] | None = None
    """By so much the mean uncertainty of the rows may be greater: 1 less the confidence, from 0 to 1. Unset: by
    anything. Only models of classes have it; of others this lets none pass."""
    metrics: Annotated[
        list[CountedMetric],
        Field(
            max_length=5,
            default_factory=list,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """What others count by revision, asked of the Prometheus of the installation."""

    @field_validator("metrics")
    @classmethod
    def _names_are_unique(cls, metrics: list[CountedMetric]) -> list[CountedMetric]:
        refuse_duplicates([metric.name for metric in metrics])
        return metrics


_DEFAULT_STEPS = [{"setWeight": 10}, {"analysis": {}}, {"setWeight": 50}, {"analysis": {}}]


class HeaderMatch(Model):
    """A header of HTTP, by which a request is told from others."""

    name: Annotated[str, StringConstraints(pattern=_HEADER_NAME, min_length=1, max_length=256)]
    """Name of the header."""
    value: Annotated[str, StringConstraints(pattern=r"^[ -~]+$", min_length=1, max_length=1024)]
    """Its value, exactly."""


class Affinity(Model):
    """What tells one client from another, so that it stays with a revision for as long as its share lasts.

    Clients are in a hundred buckets, 00 to 99. The canary gets the requests of as many of them as its weight is, from
    00 on: when the weight grows, clients come to the canary, and none goes back.
    """

    rules: ClassVar = (rule("has(self.cookie) != has(self.header)", "exactly one of cookie and header must be set"),)

    cookie: Annotated[str, StringConstraints(pattern=_HEADER_NAME, min_length=1, max_length=64)] | None = None
    """Name of a cookie that the model servers give to clients that have none, with a bucket at random."""
    header: Annotated[str, StringConstraints(pattern=_HEADER_NAME, min_length=1, max_length=256)] | None = None
    """Name of a header that clients, or a proxy before the Gateway, send with the bucket: two digits, say of a hash of
    the user's name."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.cookie is None) == (self.header is None):
            raise ValueError("exactly one of cookie and header must be set")
        return self


_SURGE_OF_FRESH = "baseline Fresh has as many pods more as the canary: leave maxSurge out"


class Rollout(Model):
    """How a change gets from no traffic to all of it."""

    rules: ClassVar = (rule("self.baseline != 'Fresh' || !has(self.maxSurge)", _SURGE_OF_FRESH, field=".maxSurge"),)

    steps: Annotated[
        list[Step],
        Field(
            max_length=50,
            default_factory=lambda: _DEFAULT_STEPS,
            validate_default=True,
            json_schema_extra={"default": _DEFAULT_STEPS},
        ),
    ]
    """Done one after the other; after the last the canary has all of the traffic. None: it has it when it is ready."""
    judge: Annotated[Judge, Field(default_factory=Judge)]
    """How much worse than the stable revision the canary may be."""
    baseline: Literal["Stable", "Fresh"] = "Stable"
    """What the canary is compared with. Stable: the pods of the stable revision. Fresh: new pods of it, as many as the
    canary's, as old, and with the same weight; in a step `shadow` they are not asked, and Stable holds."""
    header_match: HeaderMatch | None = None
    """Requests with this header go to the canary as soon as it is ready, whatever its weight: for testers. The judge
    sees them too."""
    affinity: Affinity | None = None
    """Clients stay with a revision. Unset: each request may go to either. The Gateway must know regular expressions as
    matches of headers."""
    rollback_window: Annotated[int, Field(ge=0, le=10)] = 0
    """Going back to one of so many last stable revisions takes no steps: it has all of the traffic when it is ready."""
    max_surge: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Pods that a rollout may have beside `replicas`: the canary's come as the stable revision's go, with the weight.
    Unset: as many as `replicas`, so that a roll-back finds all pods of the stable revision."""
    progress_deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600
    """A canary that is not ready after so long is rolled back."""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.baseline == "Fresh" and self.max_surge is not None:
            raise ValueError(_SURGE_OF_FRESH)
        return self


class Endpoint(Model):
    """Where clients find it: an HTTPRoute of the Gateway API is made of this."""

    gateway_ref: LocalReference
    """The Gateway, in the same namespace."""
    hostname: DnsSubdomain | None = None
    """Only requests for this host. Unset: for any."""
    path: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$", max_length=256)] = "/"
    """The prefix of the path, which the model server does not get to see."""


class Autoscaling(Model):
    """Replicas by load, through a HorizontalPodAutoscaler."""

    rules: ClassVar = (
        rule("self.minReplicas <= self.maxReplicas", "minReplicas must not exceed maxReplicas", field=".maxReplicas"),
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pods of a revision, at least."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Pods of a revision, at most."""
    target_cpu_utilization_percentage: Annotated[int, Field(ge=1, le=1000, alias="targetCPUUtilizationPercentage")] = 80
    """Percent of `resources.cpu` that a pod which gets requests shall use, on average."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        return self


class S3Sink(S3Bucket):
    """Where objects are written to in S3."""

    prefix: Annotated[str, StringConstraints(pattern=r"^([^/\x00]+/)*$", max_length=512)] = ""
    """Their keys begin so: empty, or with a slash at the end."""


class LogSink(Model):
    """Where the log is written to."""

    s3: S3Sink
    """A bucket, and the prefix of the objects."""


class PredictionLogging(Model):
    """A sample of what is asked and answered, kept as lines of JSON that a Dataset can be made of."""

    sample_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the requests."""
    redact: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=253)]],
        Field(max_length=500, default_factory=list),
    ]
    """Columns that are left out."""
    sink: LogSink
    """Where it is written to."""


class ModelDeploymentSpec(Model):
    """Which model, how it is served, and how it is changed."""

    rules: ClassVar = tuple(
        rule(
            f"self.runtime.name != '{runtime}'"
            f" || quantity(string(self.resources.memory)).compareTo(quantity('{least}')) >= 0",
            _too_little_memory(runtime),
            field=".resources.memory",
        )
        for runtime, least in _LEAST_MEMORY.items()
    )

    model: ModelSource
    """Which registered model."""
    runtime: Annotated[Runtime, Field(default_factory=Runtime)]
    """What serves the model."""
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pods of a revision. With `autoscaling`, the autoscaler's to set: leave it out. Any other may set it too, through
    the scale subresource, also in a rollout."""
    autoscaling: Autoscaling | None = None
    """Replicas by load: a HorizontalPodAutoscaler is made of this, which needs a metrics-server. Unset: as many as
    `replicas` says."""
    resources: Annotated[Resources, Field(default_factory=Resources)]
    """What one replica may use."""
    image: (
        Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$", min_length=1, max_length=512)]
        | None
    ) = None
    """Image to run in, built upon afina-runtime. Unset: the one of the installation."""
    rollout: Annotated[Rollout, Field(default_factory=Rollout)]
    """How a change gets from no traffic to all of it."""
    endpoint: Endpoint
    """Where clients find it."""
    logging: PredictionLogging | None = None
    """Keeps a sample of what is asked and answered. A change renews the pods one by one, without a rollout."""

    @model_validator(mode="after")
    def _has_memory(self) -> Self:
        least = _LEAST_MEMORY.get(self.runtime.name)
        if least and quantity.parse(self.resources.memory) < quantity.parse(least):
            raise ValueError(_too_little_memory(self.runtime.name))
        return self


class RevisionStatus(Model):
    """A revision: an immutable model with all that serves it."""

    revision: RevisionName
    """Its name, which follows from what it is."""
    model_name: Annotated[str, Field(max_length=128)]
    """Name of the registered model."""
    model_version: Annotated[str, Field(max_length=32)]
    """Version of the registered model."""
    digest: Digest
    """Hash of the model's files."""


class RejectedRevision(RevisionStatus):
    """A revision that was rolled back. It is not tried again until the spec names another, or somebody says retry."""

    reason: Annotated[str, Field(max_length=63)]
    """Why, in one word."""
    message: Annotated[str, Field(max_length=1024)]
    """Why, for people, with the evidence."""
    time: AwareDatetime
    """When."""


class MetricEvidence(Model):
    """What the judge knows of one metric."""

    metric: Annotated[str, Field(max_length=64)]
    """Which."""
    verdict: Literal["Pass", "Fail", "Inconclusive"]
    """What follows from it."""
    message: Annotated[str, Field(max_length=512)]
    """The numbers, for people."""


class RolloutStatus(Model):
    """How far the canary has come."""

    step: Annotated[int, Field(ge=0, le=50)]
    """Index of the present step."""
    step_start_time: AwareDatetime
    """When it began."""
    start_time: AwareDatetime
    """When the rollout began."""
    paused: bool = False
    """Somebody said pause: no step is taken until resume. A bad canary is rolled back all the same."""
    approved: bool = False
    """Somebody approved the gate of the present step."""
    looks: Annotated[int, Field(ge=0)] = 0
    """So often the judge has looked at the metrics."""
    verdict: Literal["Pass", "Fail", "Inconclusive"] = "Inconclusive"
    """The judge's, over all metrics."""
    reason: Annotated[str, Field(max_length=63)] = ""
    """Why it is inconclusive, in one word."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Why, for people."""
    evidence: Annotated[list[MetricEvidence], Field(max_length=16, default_factory=list)]
    """By metric."""
    judge_state: Annotated[str, Field(max_length=65_536)] = ""
    """What the judge keeps from look to look; not for people."""


class Command(Model):
    """What somebody told the rollout to do, and what came of it."""

    text: Annotated[str, Field(max_length=512)]
    """The annotation `afina.dev/rollout` as it was read: the same text is not obeyed twice."""
    outcome: Annotated[str, Field(max_length=512)]
    """What came of it."""
    obeyed: bool = True
    """Whether anything was done: not, where the verb makes no sense as things are."""
    time: AwareDatetime
    """When."""


class DeploymentSummary(Model):
    """The state at a glance, as `kubectl get` shows it."""

    stable: Annotated[str, Field(max_length=200)] = ""
    """Model and version of the stable revision."""
    canary: Annotated[str, Field(max_length=200)] = ""
    """Model and version of the canary."""
    step: Annotated[str, Field(max_length=64)] = ""
    """The present step of all steps."""


class ModelDeploymentStatus(Status):
    """What the operator observed."""

    stable: RevisionStatus | None = None
    """The revision that has the traffic which the canary has not."""
    canary: RevisionStatus | None = None
    """The revision that is being tried."""
    rejected: RejectedRevision | None = None
    """The revision that was rolled back last."""
    previous: Annotated[list[RevisionName], Field(max_length=10, default_factory=list)]
    """Revisions that were stable before, the last one first."""
    rollout: RolloutStatus | None = None
    """How far the canary has come."""
    weight: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent of the requests that go to the canary, as the route has it."""
    command: Command | None = None
    """What somebody told the rollout to do last."""
    replicas: Annotated[int, Field(ge=0)] | None = None
    """Pods that `selector` selects; for the scale subresource."""
    selector: Annotated[str, Field(max_length=256)] | None = None
    """Label selector of the pods that get requests; for the scale subresource."""
    address: Annotated[str, Field(max_length=512)] | None = None
    """URL that the Gateway answers at."""
    summary: DeploymentSummary | None = None
    """The state at a glance."""


_MAX_NAME = 40
"""It becomes a part of the names of its revisions."""
_LONG_NAME = f"the name may have at most {_MAX_NAME} characters"


class ModelDeployment(Model):
    """Serves a model, and rolls out each change of it by a judged canary."""

    rules: ClassVar = (rule(f"self.metadata.name.size() <= {_MAX_NAME}", _LONG_NAME),)

    api_version: Literal["afina.dev/v1alpha1"]
    """Version of the API."""
    kind: Literal["ModelDeployment"]
    """Kind of the object."""
    metadata: Metadata
    """Kubernetes' own metadata."""
    spec: ModelDeploymentSpec
    """Which model, how it is served, and how it is changed."""
    status: ModelDeploymentStatus | None = None
    """What was observed."""

    @model_validator(mode="after")
    def _name_is_short(self) -> Self:
        if len(self.metadata.name) > _MAX_NAME:
            raise ValueError(_LONG_NAME)
        return self
