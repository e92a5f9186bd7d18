"""Why an object is as it is: from what was seen to the cause, the evidence and the next step."""

import pytest

from afina_api import crd
from afina_api.reasons import TrialReason
from afina_jobs.explain.facts import KINDS, Facts
from afina_jobs.explain.remedies import remedy
from afina_jobs.explain.rules import explain
from afina_jobs.explain.trials import _STEPS
from support.seen import RUNS, Json, a_child, a_pod, an_event, an_object, at, ended, facts, serving, waits

JOB, CLAIM = a_child("Job"), a_child("PersistentVolumeClaim", status={"phase": "Pending"}, spec={})
QUOTA = 'pods "tj-it-x" is forbidden: exceeded quota: small, requested: {0}=1, used: {0}=8, limited: {0}=8'
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
ROOM = "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu. no new claims to deallocate"
CLUSTER = a_child("RayCluster", spec={"workerGroupSpecs": [{"replicas": 4}]})
OF_RAY = {"ray.io/cluster": "tj-it"}
PULL = 'failed to do request: Head "https://lab/v2/train/manifests/7": {}'
FAILURES: Json = {
    "trials": {"total": 9, "running": 1, "succeeded": 1, "failed": 7, "pruned": 0},
    "lastFailure": {"number": 8, "reason": "ExitCode", "message": "exit code 3; last line: no data"},
}
LOG = [
    f"2026-01-02 INFO trial {n} failed: {'Timeout' if n < 4 else 'ExitCode'}: it, 1/9 trials" for n in (2, 3, 4, 5, 6)
]

CASES: dict[str, tuple[Facts, str, str, str]] = {
    "it is being deleted": (
        facts(an_object() | {"metadata": {"name": "it", "deletionTimestamp": at(1), "finalizers": ["kopf"]}}),
        "It is being deleted.",
        "finalizers: kopf",
        "Wait",
    ),
    "nobody has seen it for long": (
        facts(an_object(seen=None)),
        "The operator has not seen it for 10 min 00 s",
        "metadata.generation 1, status.observedGeneration missing",
        "kubectl get pods -A -l app.kubernetes.io/name=afina,app.kubernetes.io/component=operator",
    ),
    "it was just made": (
        facts(an_object(seen=None) | {"metadata": {"name": "it", "generation": 1, "creationTimestamp": at(0.1)}}),
        "The operator has not seen it yet.",
        "since 6 s",
        "Look again",
    ),
    "its last change was not seen": (
        facts(
            an_object()
            | {
                "metadata": {
                    "name": "it",
                    "generation": 2,
                    "creationTimestamp": at(90),
                    "managedFields": [{"time": at(2)}, {"time": at(0), "subresource": "status"}],
                }
            }
        ),
        "The operator has not seen it for 2 min 00 s",
        "metadata.generation 2, status.observedGeneration 1",
        "its log",
    ),
    "its Job has ended and the status does not say so": (
        facts(
            an_object("Running"),
            children=[
                a_child("Job", status={"conditions": [{"type": "Complete", "lastTransitionTime": at(3)}]}),
            ],
        ),
        "The operator has not seen it for 3 min 00 s",
        "job tj-it has ended",
        "operator",
    ),
    "the image is nowhere": (
        facts(
            an_object(spec={"trial": {"image": "x"}}), [a_pod(state=waits("ErrImagePull", "lab/train:7: not found"))]
        ),
        "The image lab/train:7 cannot be pulled.",
        "pod tj-it-a: ErrImagePull: lab/train:7: not found",
        "There is no such image: correct spec.trial.image, or push it.",
    ),
    "the registry does not answer": (
        facts(
            an_object(),
            [pod := a_pod(state=waits("ImagePullBackOff", "Back-off pulling image"))],
            warnings=[an_event(pod, "Failed", f"Failed to pull image: {PULL.format('no such host')}")],
        ),
        "The image lab/train:7 cannot be pulled.",
        "no such host",
        "The nodes do not reach the registry",
    ),
    "the registry wants to know who asks": (
        facts(an_object(), [a_pod(state=waits("ErrImagePull", PULL.format("401 Unauthorized")))]),
        "cannot be pulled",
        "401 Unauthorized",
        "credentials",
    ),
    "the image was not to be had to the end": (
        facts(an_object("ImageUnavailable", "The image x cannot be pulled: no such host.", "False")),
        "The image cannot be pulled.",
        "no such host",
        "Then delete tj it and apply it again.",
    ),
    "an AutoMLJob's image": (
        facts(an_object(kind="AutoMLJob", spec={"image": "x"}), [a_pod(state=waits("InvalidImageName"))]),
        "cannot be pulled",
        "InvalidImageName",
        "correct spec.image",
    ),
    "a Dataset's image is the installation's": (
        facts(an_object(kind="Dataset"), [a_pod(state=waits("InvalidImageName"))]),
        "cannot be pulled",
        "InvalidImageName",
        "correct image.* of the chart's values",
    ),
    "a ConfigMap is missing": (
        facts(
            an_object(message="there is no ConfigMap 'code'"),
            [pod := a_pod(state=waits("ContainerCreating"))],
            warnings=[an_event(pod, "FailedMount", 'MountVolume.SetUp failed: configmap "code" not found')],
        ),
        "cannot mount what it needs",
        "event on pod: FailedMount",
        "kubectl create configmap code",
    ),
    "a Secret's key is missing": (
        facts(an_object(), [a_pod(state=waits("CreateContainerConfigError", 'secret "studies" not found'))]),
        "A container of pod tj-it-a cannot be made.",
        'CreateContainerConfigError: secret "studies" not found',
        "kubectl create secret generic studies",
    ),
    "no node has room": (
        facts(an_object(), [a_pod(scheduled=ROOM)]),
        "No node takes pod tj-it-a: too little cpu and nvidia.com/gpu.",
        "it asks for cpu 2, memory 1Gi",
        "lower spec.budget.parallelTrials, or spec.trial.resources in another TuningJob. GPUs: `kubectl get nodes",
    ),
    "no node has room for a model server": (
        facts(
            an_object(kind="ModelDeployment", status="False", spec={"budget": {}}),
            [a_pod(scheduled=ROOM.replace("nvidia.com/gpu", "memory"))],
        ),
        "too little cpu and memory",
        "Insufficient",
        "or lower spec.resources.",
    ),
    "no node has such a GPU": (
        facts(an_object(), [a_pod(scheduled="0/1 nodes are available: 1 didn't match Pod's node affinity/selector.")]),
        "none has the labels that it asks for",
        "affinity/selector",
        "kubectl get nodes -l nvidia.com/gpu.product=H100",
    ),
    "the nodes are tainted": (
        facts(an_object(), [a_pod(scheduled="0/1 nodes are available: 1 node(s) had untolerated taint {gpu: true}.")]),
        "a taint keeps it away",
        "untolerated taint",
        "Taints",
    ),
    "the volume's class is not there": (
        facts(
            an_object(),
            [a_pod(scheduled=UNBOUND)],
            children=[CLAIM | {"spec": {"storageClassName": "fast"}}],
            warnings=[an_event(CLAIM, "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')],
        ),
        "The volume tj-it is not made.",
        'ProvisioningFailed: storageclass.storage.k8s.io "fast" not found',
        "spec.storage.volume.storageClassName names none that makes volumes",
    ),
    "the cluster has no default class": (
        facts(an_object(), [a_pod(scheduled=UNBOUND)], children=[CLAIM]),
        "The volume tj-it is not made.",
        "storage class none",
        "the cluster has no default one",
    ),
    "a volume waits for its pod, which no node takes": (
        facts(an_object(), [a_pod(scheduled=ROOM)], children=[CLAIM]),
        "No node takes",
        "Insufficient",
        "Wait until others end",
    ),
    "the quota of pods is spent": (
        facts(an_object(), children=[JOB], warnings=[an_event(JOB, "FailedCreate", QUOTA.format("pods"))]),
        "The ResourceQuota 'small' of the namespace leaves no room.",
        "event on job: FailedCreate",
        "have it raised, then it goes on by itself.",
    ),
    "the quota of memory is spent": (
        facts(an_object(), children=[JOB], warnings=[an_event(JOB, "FailedCreate", QUOTA.format("limits.memory"))]),
        "The ResourceQuota 'small'",
        "limits.memory",
        "or lower spec.trial.resources in another TuningJob.",
    ),
    "the quota of volumes is spent": (
        facts(
            an_object(message=f"The API server refuses what the job needs: {QUOTA.format('persistentvolumeclaims')}")
        ),
        "The ResourceQuota 'small'",
        "condition Succeeded: The API server refuses",
        "kubectl describe quota small",
    ),
    "a quota that let the pod in after all": (
        facts(
            an_object("Running"),
            [a_pod(phase="Running", state=RUNS)],
            warnings=[an_event(JOB, "FailedCreate", QUOTA, 20)],
        ),
        "The search is under way.",
        "Running",
        "Nothing: it works.",
    ),
    "an admission webhook says no": (
        facts(an_object(), children=[JOB], warnings=[an_event(JOB, "FailedCreate", 'admission webhook "x" denied it')]),
        "The API server refuses what the object needs.",
        'admission webhook "x" denied it',
        "Do what the message says",
    ),
    "it is suspended": (
        facts(an_object("Suspended", "Suspended: set spec.suspend to false to go on.")),
        "spec.suspend is true.",
        "condition Succeeded is Unknown, Suspended",
        """kubectl patch tj it --type=merge -p '{"spec":{"suspend":false}}'""",
    ),
    "it waits in a queue": (
        facts(
            an_object(labels={"kueue.x-k8s.io/queue-name": "night"}), children=[a_child("Job", spec={"suspend": True})]
        ),
        "It waits in the Kueue queue 'night' until there is room.",
        "job tj-it: spec.suspend is true",
        "kubectl describe localqueue night",
    ),
    "the queue has let it in": (
        facts(
            an_object("Running", labels={"kueue.x-k8s.io/queue-name": "night"}),
            children=[a_child("Job", spec={"suspend": False})],
        ),
        "The search is under way.",
        "Running",
        "Nothing",
    ),
    "the driver ran out of memory": (
        facts(an_object("Restarting"), [a_pod(phase="Failed", state=ended(137, "OOMKilled"))]),
        "A pod ran out of memory once.",
        "OOMKilled, its limit is 1Gi",
        """"parallelTrials":2}}}'`; or raise spec.trial.resources.memory in another TuningJob.""",
    ),
    "it ran out of memory twice and runs again": (
        facts(
            an_object("Running", spec={"budget": {}}),
            [*(a_pod(f"p{n}", "Failed", ended(137, "OOMKilled")) for n in (1, 2)), a_pod("p3", "Running", RUNS)],
        ),
        "A pod ran out of memory 2 times, and runs again.",
        "pod p2: OOMKilled",
        "Raise spec.trial.resources.memory in another TuningJob.",
    ),
    "it ran out of memory to the end": (
        facts(an_object("DriverFailed", status="False"), [a_pod(phase="Failed", state=ended(137, "OOMKilled"))] * 3),
        "A pod ran out of memory 3 times.",
        "OOMKilled",
        "raise spec.trial.resources.memory",
    ),
    "it was evicted": (
        facts(
            an_object("Restarting"),
            [a_pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")],
        ),
        "The node put pod tj-it-a out because it was short of something itself.",
        "Evicted: The node was low on resource: memory.",
        "Nothing: another pod is made",
    ),
    "its node is drained": (
        facts(
            an_object("Restarting"),
            [
                a_pod(
                    phase="Failed",
                    conditions=[
                        {
                            "type": "DisruptionTarget",
                            "status": "True",
                            "reason": "EvictionByEvictionAPI",
                            "message": "x",
                        }
                    ],
                )
            ],
        ),
        "The node put pod tj-it-a out.",
        "EvictionByEvictionAPI: x",
        "Nothing: another pod is made",
    ),
    "it was evicted and runs again": (
        facts(an_object("Running"), [a_pod("p1", "Failed", reason="Evicted"), a_pod("p2", "Running", RUNS)]),
        "The search is under way.",
        "Running",
        "Nothing: it works.",
    ),
    "its program dies": (
        facts(an_object("Restarting"), [a_pod(phase="Failed", state=ended(1))], log=["Traceback", "ValueError: x"]),
        "The program in pod tj-it-a ends with exit code 1.",
        "last line of its log: ValueError: x",
        "kubectl logs tj-it-a",
    ),
    "a server crashes again and again": (
        facts(
            an_object("Starting", status="False", kind="ModelDeployment"),
            [a_pod(phase="Running", state=waits("CrashLoopBackOff"), last=ended(2))],
            log=["no model"],
        ),
        "The program in pod tj-it-a ends with exit code 2.",
        "last line of its log: no model",
        "kubectl logs tj-it-a --previous",
    ),
    "KubeRay is away": (
        facts(an_object("Running"), [a_pod(phase="Running", state=RUNS)], children=[CLUSTER]),
        "KubeRay has not seen the Ray cluster",
        "raycluster tj-it: 0 of 4 workers ready, no status",
        "kuberay-operator",
    ),
    "workers are not there yet": (
        facts(an_object("Running"), [], children=[CLUSTER | {"status": {"readyWorkerReplicas": 3}}]),
        "Of its 4 workers, 3 are ready.",
        "3 of 4 workers ready",
        "kubectl get pods -l ray.io/cluster=tj-it",
    ),
    "a worker has no room": (
        facts(
            an_object("Running"),
            [a_pod(phase="Running", state=RUNS), a_pod("worker", scheduled=ROOM)],
            children=[CLUSTER | {"status": {"readyWorkerReplicas": 3}}],
        ),
        "No node takes pod worker",
        "Insufficient",
        "Wait until others end",
    ),
    "trials fail on workers": (
        facts(
            an_object("Running", **FAILURES),
            [a_pod(phase="Running", state=RUNS), a_pod("worker", "Running", RUNS, labels=OF_RAY)],
            log=LOG,
        ),
        "7 of 8 trials that have ended failed",
        "all of them: kubectl logs tj-it-a | grep ' failed: '",
        "Correct the program",
    ),
    "all workers are there": (
        facts(an_object("Running"), [], children=[CLUSTER | {"status": {"readyWorkerReplicas": 4}}]),
        "The search is under way.",
        "Running",
        "Nothing: it works.",
    ),
    "KubeRay is not installed": (
        facts(
            an_object(message="Workers need KubeRay, and the API server does not know the kind RayCluster: install it")
        ),
        "The driver's pod has not started yet",
        "Workers need KubeRay",
        "Wait",
    ),
    "trials fail": (
        facts(an_object("Running", **FAILURES), [a_pod(phase="Running", state=RUNS)], log=LOG),
        "7 of 8 trials that have ended failed, most often (3 of the 5 that the log tells of) for ExitCode."
        " budget.maxFailedTrials is 3.",
        "trial 8: ExitCode: exit code 3; last line: no data",
        "try it with `afina run FILE.yaml` on this machine first",
    ),
    "trials failed until the job did, and the log is gone": (
        facts(an_object("TooManyFailedTrials", status="False", **FAILURES)),
        "7 of 8 trials that have ended failed. budget",
        "last line: no data",
        "Correct the program",
    ),
    "most trials report no metric": (
        facts(
            an_object("NoTrialSucceeded", status="False", **FAILURES),
            log=["x INFO trial 1 failed: MetricMissing: no rmse, 2/3 trials"],
        ),
        "for MetricMissing",
        "trial 8",
        "Return the metric 'rmse', or print it on the last line as JSON: {\"rmse\": 0.61}",
    ),
    "every trial was pruned": (
        facts(an_object("NoTrialSucceeded", "no trial has a value", "False", trials={"total": 5, "failed": 0})),
        "The budget is spent and no trial has a value.",
        "no trial has a value",
        "prune later",
    ),
    "the spec is invalid": (
        facts(an_object("InvalidSpec", "spec.parameters[0]: min is above max", "False")),
        "The spec says something that the schema cannot check.",
        "condition Succeeded is False, InvalidSpec: spec.parameters[0]: min is above max",
        "Do what the message says",
    ),
    "the volume is full": (
        facts(an_object("StorageFull", "database or disk is full", "False")),
        "The study's volume is full.",
        "database or disk is full",
        "Ask for a larger volume",
    ),
    "time is up": (
        facts(an_object("TimeoutReached", "budget.timeoutSeconds 60 have passed", "True", **FAILURES)),
        "budget.timeoutSeconds have passed and a trial has succeeded.",
        "budget.timeoutSeconds 60 have passed",
        "a larger budget.timeoutSeconds in another TuningJob",
    ),
    "the API server knows a reason that this command does not": (
        facts(an_object("Enchanted", "by a fairy", "False")),
        "Enchanted",
        "by a fairy",
        "kubectl describe tj it",
    ),
    "a Dataset does not pass": (
        facts(an_object("ValidationFailed", "income: 3 below 0", "False", kind="Dataset")),
        "A rule of severity Error fails, or no row is accepted.",
        "condition Ready is False, ValidationFailed: income: 3 below 0",
        "Correct the data or the rule in spec.validation",
    ),
    "an AutoMLJob waits for its Dataset": (
        facts(an_object("DatasetNotReady", "Dataset 'loans' is not Ready", "False", kind="AutoMLJob")),
        "The Dataset is not Ready, and will not be",
        "Dataset 'loans'",
        "afina explain dataset NAME",
    ),
}


CASES |= {
    "it serves": (serving(), "The stable revision answers", "Ready is True, Serving", "Nothing: it serves."),
    "there is no Gateway": (
        serving("GatewayMissing"),
        "There is no such Gateway",
        "Ready is False",
        "Create the Gateway",
    ),
    "a canary was rolled back": (
        serving(RolledBack="JudgeFailed", Progressing="RolledBack"),
        "The canary is worse than the margins allow.",
        "RolledBack is True",
        "afina retry it",
    ),
    "a gate is closed": (
        serving(Progressing="GateClosed"),
        "The step is a gate",
        "Progressing is False, GateClosed",
        "afina approve it",
    ),
    "a rollout is paused": (serving(Progressing="Paused"), "Somebody said pause", "Paused", "afina resume it"),
    "a canary starts": (serving(Progressing="CanaryStarting"), "The canary's pods", "CanaryStarting", "Wait"),
    "a canary gets too few requests": (
        serving(Progressing="InStep", Inconclusive="TooFewSamples"),
        "A side has answered too few requests to judge.",
        "Inconclusive is True",
        "afina skip it",
    ),
    "a rollout goes on": (
        serving(Progressing="InStep"),
        "The rollout is at the step that the message names.",
        "InStep",
        "afina promote it",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_explains(case: str) -> None:
    seen, cause, evidence, step = CASES[case]
    found = explain(seen)
    assert cause in found.cause
    assert evidence in " | ".join(found.evidence)
    assert step in found.next_step
    for line in (found.cause, *found.evidence, found.next_step):
        assert line
        assert "\n" not in line
        assert "`budget" not in found.cause


def test_takes_the_log_of_a_driver_for_no_workers() -> None:
    worker = a_pod("worker", "Running", waits("CrashLoopBackOff"), ended(1), labels=OF_RAY)
    found = explain(facts(an_object("Running"), [a_pod(phase="Running", state=RUNS), worker], log=LOG))
    assert found.cause == "The program in pod worker ends with exit code 1."
    assert found.evidence == ("pod worker: Error, exit code 1",)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_has_a_next_step(kind: str) -> None:
    unknown = remedy(kind, "Enchanted", "it", KINDS[kind].short)
    missing = [str(word) for word in KINDS[kind].reasons if remedy(kind, word, "it", KINDS[kind].short) == unknown]
    assert missing == []


def test_names_kinds_as_kubectl_does() -> None:
    assert {kind.name: kind.short for kind in crd.KINDS} == {name: words.short for name, words in KINDS.items()}


def test_every_failure_of_a_trial_has_a_next_step() -> None:
    assert set(_STEPS) == set(TrialReason)
