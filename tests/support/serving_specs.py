"""ModelDeployments that must be refused or accepted, read by two doors: the models and the API server."""

from support.specs import REMOVE, Json, Refused, changed

GOOD_DEPLOYMENT: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "good"},
    "spec": {"model": {"uri": "models:/loans@champion"}, "endpoint": {"gatewayRef": {"name": "afina"}}},
}
_URI, _STEPS = "spec.model.uri", "spec.rollout.steps"
_METRICS = "spec.rollout.judge.metrics"
_CLICKS = {
    "name": "clicks",
    "hits": 'sum(clicks_total{revision="{{revision}}"})',
    "total": 'sum(answers_total{revision="{{revision}}"})',
    "maxDecrease": 0.01,
}
_LOG = {"sink": {"s3": {"bucket": "logs"}}}

_CASES: dict[str, Refused] = {
    "unknown field of a deployment": Refused({"spec.weight": 10}, "spec.weight", "unknown field", "Extra inputs"),
    "no endpoint": Refused({"spec.endpoint": REMOVE}, "spec.endpoint", "Required value", "Field required"),
    "no model": Refused({"spec.model": {}}, "spec.model", "exactly one of uri and autoMLJobRef"),
    "two models": Refused(
        {"spec.model": {"uri": "models:/a/1", "autoMLJobRef": {"name": "a"}}},
        "spec.model",
        "exactly one of uri and autoMLJobRef",
    ),
    "URI of a file": Refused({_URI: "file:///etc/passwd"}, _URI, "should match", "should match"),
    "URI without version": Refused({_URI: "models:/loans"}, _URI, "should match", "should match"),
    "URI that climbs": Refused({_URI: "models:/../1"}, _URI, "should match", "should match"),
    "model in S3 of which nobody knows what it is": Refused(
        {"spec.model": {"uri": "s3://models/loans/7"}}, "spec.model", "a model in s3 needs its digest"
    ),
    "registered model with a digest": Refused(
        {"spec.model": {"uri": "models:/loans/7", "digest": "sha256:" + "0" * 64}},
        "spec.model",
        "a model in s3 needs its digest",
    ),
    "model in S3 that climbs": Refused(
        {"spec.model": {"uri": "s3://models/../other", "digest": "sha256:" + "0" * 64}},
        _URI,
        "should match",
        "should match",
    ),
    "runtime of others": Refused(
        {"spec.runtime": {"name": "Triton"}}, "spec.runtime.name", "supported values", "Input should be"
    ),
    "two processes of one": Refused(
        {"spec.runtime": {"settings": {"workers": 2}}},
        "spec.runtime.settings.workers",
        "Uvicorn predicts in one process: set replicas, or take RayServe",
    ),
    "no worker": Refused(
        {"spec.runtime": {"name": "RayServe", "settings": {"workers": 0}}},
        "spec.runtime.settings.workers",
        "greater than or equal to 1",
        "greater than or equal",
    ),
    "Ray in little memory": Refused(
        {"spec.runtime": {"name": "RayServe"}, "spec.resources": {"memory": "1Gi"}},
        "spec.resources.memory",
        "RayServe needs 1536Mi of memory",
    ),
    "TorchServe in little memory": Refused(
        {"spec.runtime": {"name": "TorchServe"}, "spec.resources": {"memory": 500_000_000}},
        "spec.resources.memory",
        "TorchServe needs 512Mi of memory",
    ),
    "no replica": Refused({"spec.replicas": 0}, "spec.replicas", "greater than or equal to 1", "greater than or equal"),
    "most replicas unsaid": Refused(
        {"spec.autoscaling": {"minReplicas": 2}}, "spec.autoscaling.maxReplicas", "Required value", "Field required"
    ),
    "more replicas at least than at most": Refused(
        {"spec.autoscaling": {"minReplicas": 3, "maxReplicas": 2}},
        "spec.autoscaling.maxReplicas",
        "minReplicas must not exceed maxReplicas",
    ),
    "scaled to nothing": Refused(
        {"spec.autoscaling": {"minReplicas": 0, "maxReplicas": 2}},
        "spec.autoscaling.minReplicas",
        "greater than or equal to 1",
        "greater than or equal",
    ),
    "target of no use": Refused(
        {"spec.autoscaling": {"maxReplicas": 2, "targetCPUUtilizationPercentage": 0}},
        "spec.autoscaling.targetCPUUtilizationPercentage",
        "greater than or equal to 1",
        "greater than or equal",
    ),
    "step of nothing": Refused({_STEPS: [{}]}, f"{_STEPS}[0]", "a step has exactly one of"),
    "step of two": Refused(
        {_STEPS: [{"setWeight": 10, "pauseSeconds": 5}]}, f"{_STEPS}[0]", "a step has exactly one of"
    ),
    "step of a shadow and a weight": Refused(
        {_STEPS: [{"setWeight": 10, "shadow": {}}]}, f"{_STEPS}[0]", "a step has exactly one of"
    ),
    "weight above all": Refused(
        {_STEPS: [{"setWeight": 101}]}, f"{_STEPS}[0].setWeight", "less than or equal to 100", "less than or equal"
    ),
    "surge of nothing": Refused(
        {"spec.rollout": {"maxSurge": 0}},
        "spec.rollout.maxSurge",
        "greater than or equal to 1",
        "greater than or equal",
    ),
    "new pods to compare with, and few more": Refused(
        {"spec.rollout": {"baseline": "Fresh", "maxSurge": 1}}, "spec.rollout.maxSurge", "leave maxSurge out"
    ),
    "alpha of one": Refused(
        {"spec.rollout.judge": {"alpha": 1}}, "spec.rollout.judge.alpha", "less than or equal to", "less than or"
    ),
    "latency ratio that noise exceeds": Refused(
        {"spec.rollout.judge": {"maxLatencyRatio": 1.01}},
        "spec.rollout.judge.maxLatencyRatio",
        "greater than or equal to 1.1",
        "greater than or equal to 1.1",
    ),
    "uncertainty that cannot be": Refused(
        {"spec.rollout.judge": {"maxUncertaintyIncrease": 1}},
        "spec.rollout.judge.maxUncertaintyIncrease",
        "less than or equal to",
        "less than or",
    ),
    "metric of the judge's own": Refused(
        {_METRICS: [{**_CLICKS, "name": "errors"}]}, f"{_METRICS}[0].name", "are the judge's own"
    ),
    "metric without a limit": Refused(
        {_METRICS: [{key: value for key, value in _CLICKS.items() if key != "maxDecrease"}]},
        f"{_METRICS}[0]",
        "exactly one of maxIncrease and maxDecrease must be set",
    ),
    "metric with two limits": Refused(
        {_METRICS: [{**_CLICKS, "maxIncrease": 0.1}]},
        f"{_METRICS}[0]",
        "exactly one of maxIncrease and maxDecrease must be set",
    ),
    "metric of all revisions": Refused(
        {_METRICS: [{**_CLICKS, "total": "sum(answers_total)"}]},
        f"{_METRICS}[0].total",
        "should match",
        "should match",
    ),
    "metric of an endless query": Refused(
        {_METRICS: [{**_CLICKS, "hits": "{{revision}}" + " " * 1013}]},
        f"{_METRICS}[0].hits",
        "Too long",
        "at most 1024",
    ),
    "two metrics of a name": Refused(
        {_METRICS: [_CLICKS, _CLICKS]}, f"{_METRICS}[1]", "Duplicate value", "'clicks' is there twice"
    ),
    "six metrics": Refused(
        {_METRICS: [{**_CLICKS, "name": f"clicks-{number}"} for number in range(6)]},
        _METRICS,
        "at most 5",
    ),
    "header with a newline": Refused(
        {"spec.rollout.headerMatch": {"name": "X-Canary", "value": "a\nb"}},
        "spec.rollout.headerMatch.value",
        "should match",
        "should match",
    ),
    "path with a query": Refused({"spec.endpoint.path": "/a?b"}, "spec.endpoint.path", "should match", "should match"),
    "gateway of another namespace": Refused(
        {"spec.endpoint.gatewayRef": {"name": "afina", "namespace": "theirs"}},
        "spec.endpoint.gatewayRef.namespace",
        "unknown field",
        "Extra inputs",
    ),
    "affinity by nothing": Refused(
        {"spec.rollout": {"affinity": {}}}, "spec.rollout.affinity", "exactly one of cookie and header"
    ),
    "affinity by two things": Refused(
        {"spec.rollout": {"affinity": {"cookie": "a", "header": "b"}}},
        "spec.rollout.affinity",
        "exactly one of cookie and header",
    ),
    "cookie of two": Refused(
        {"spec.rollout": {"affinity": {"cookie": "a=1; b"}}},
        "spec.rollout.affinity.cookie",
        "should match",
        "should match",
    ),
    "log of nothing": Refused(
        {"spec.logging": {**_LOG, "sampleRate": 0}}, "spec.logging.sampleRate", "greater than 0", "greater than 0"
    ),
    "log of more than all": Refused(
        {"spec.logging": {**_LOG, "sampleRate": 1.5}},
        "spec.logging.sampleRate",
        "less than or equal to 1",
        "less than or equal to 1",
    ),
    "log to nowhere": Refused({"spec.logging": {}}, "spec.logging.sink", "Required value", "Field required"),
    "log below the root": Refused(
        {"spec.logging": {"sink": {"s3": {"bucket": "logs", "prefix": "/loans"}}}},
        "spec.logging.sink.s3.prefix",
        "should match",
        "should match",
    ),
    "long name": Refused({"metadata.name": "a" * 41}, "", "the name may have at most 40 characters"),
}
REFUSED_SERVING: dict[str, tuple[Json, Refused]] = {name: (GOOD_DEPLOYMENT, case) for name, case in _CASES.items()}

ACCEPTED_SERVING: dict[str, Json] = {
    "the least deployment": GOOD_DEPLOYMENT,
    "a deployment with everything": changed(
        GOOD_DEPLOYMENT,
        {
            "spec.model": {"autoMLJobRef": {"name": "loans"}},
            "spec.replicas": 3,
            "spec.autoscaling": {"minReplicas": 2, "maxReplicas": 9, "targetCPUUtilizationPercentage": 60},
            "spec.resources": {"cpu": "2", "memory": "4Gi", "gpu": 1},
            "spec.rollout": {
                "steps": [
                    {"setWeight": 5},
                    {"gate": {}},
                    {"analysis": {"minSamples": 500}},
                    {"setWeight": 100},
                    {"pauseSeconds": 60},
                ],
                "judge": {
                    "alpha": 0.01,
                    "maxErrorShareIncrease": 0,
                    "maxLatencyRatio": 2,
                    "maxPredictionDrift": 0.1,
                    "maxUncertaintyIncrease": 0.05,
                    "metrics": [_CLICKS],
                },
                "headerMatch": {"name": "X-Canary", "value": "always"},
                "affinity": {"cookie": "afina-bucket"},
                "rollbackWindow": 3,
                "maxSurge": 2,
                "progressDeadlineSeconds": 60,
            },
            "spec.endpoint": {"gatewayRef": {"name": "afina"}, "hostname": "models.example.com", "path": "/v1/loans"},
            "spec.logging": {
                "sampleRate": 0.01,
                "redact": ["name"],
                "sink": {
                    "s3": {
                        "bucket": "logs",
                        "prefix": "loans/2026/",
                        "endpointUrl": "http://minio.lab:9000",
                        "region": "eu-west-1",
                        "secretRef": {"name": "keys"},
                    }
                },
            },
        },
    ),
    "a deployment of a model in S3": changed(
        GOOD_DEPLOYMENT,
        {
            "spec.model": {
                "uri": "s3://models/loans/v7",
                "digest": "sha256:" + "0" * 64,
                "s3": {"endpointUrl": "http://minio.lab:9000", "secretRef": {"name": "keys"}},
            }
        },
    ),
    "a deployment upon Ray": changed(
        GOOD_DEPLOYMENT,
        {
            "spec.runtime": {"name": "RayServe", "settings": {"workers": 4}},
            "spec.resources": {"cpu": "4", "memory": "1.5Gi"},
        },
    ),
    "a deployment upon TorchServe": changed(
        GOOD_DEPLOYMENT, {"spec.runtime": {"name": "TorchServe"}, "spec.resources": {"memory": 536_870_912}}
    ),
    "a deployment compared with new pods": changed(GOOD_DEPLOYMENT, {"spec.rollout": {"baseline": "Fresh"}}),
    "a deployment without steps": changed(GOOD_DEPLOYMENT, {"spec.rollout": {"steps": []}}),
}
