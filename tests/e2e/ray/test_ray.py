"""A TuningJob on workers of a Ray cluster that KubeRay makes: `make e2e-ray`.

The workers' pods and the head's are killed; the accounts must come out as if nothing had happened.
"""

from collections.abc import Callable

import pytest

from e2e.jobs import (
    Json,
    config_map,
    counts,
    job,
    script,
    succeeded,
    tuning_job,
    wait_ended,
    wait_for_condition,
    wait_for_trials,
)
from kube import Cluster, wait_until

pytestmark = pytest.mark.e2e

_PATIENCE = 300
TRIALS = 12
TRAIN = """
import socket, time

def objective(params, trial):
    print("on", socket.gethostname())
    for step in range(12):
        (trial.checkpoint_dir / "step").write_text(str(step))
        trial.report(params["x"] + 12 - step, step)
        time.sleep(0.5)
    return params["x"]
"""
ON_WORKERS = tuning_job(
    "on-workers",
    {"source": {"configMapRef": {"name": "code"}}, "python": {"entrypoint": "train:objective"}},
    budget={"maxTrials": TRIALS, "parallelTrials": 2, "maxFailedTrials": 0},
    execution={"workers": 2},
)


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    namespace = new_namespace("ray")
    afina.apply(config_map("code", train_py=TRAIN), ON_WORKERS, namespace=namespace)
    return namespace


def ray_pods(cluster: Cluster, namespace: str, kind: str) -> list[Json]:
    return cluster.items("pods", namespace, f"ray.io/node-type={kind},afina.dev/tuningjob=on-workers")


def kill(cluster: Cluster, namespace: str, pod: str) -> None:
    """End a pod without a word of warning."""
    cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false", namespace=namespace)


def drivers_log(cluster: Cluster, namespace: str, name: str) -> str:
    selector = f"--selector=batch.kubernetes.io/job-name=tj-{name}"
    return cluster.kubectl("logs", selector, "--tail=-1", namespace=namespace)


def slots_of_workers(cluster: Cluster, namespace: str, name: str) -> str | None:
    """How many trials at a time the workers of the job's Ray cluster run; None while there is none."""
    found = cluster.get("raycluster", f"tj-{name}", namespace)
    return found["spec"]["workerGroupSpecs"][0]["rayStartParams"]["num-cpus"] if found else None


def hosts(log: str) -> list[str]:
    """The pods that trials ran in, in their order."""
    return [line.rpartition(" | on ")[2] for line in log.splitlines() if " | on " in line]


def test_two_workers_lose_a_pod_and_then_their_head_and_every_trial_counts_once(afina: Cluster, namespace: str) -> None:
    wait_for_trials(afina, namespace, "on-workers", ended=2)
    assert len(ray_pods(afina, namespace, "worker")) == 2
    victim = hosts(drivers_log(afina, namespace, "on-workers"))[-1]
    kill(afina, namespace, victim)
    before = counts(job(afina, namespace, "on-workers"))["succeeded"]
    wait_for_trials(afina, namespace, "on-workers", ended=before + 2)
    (head,) = ray_pods(afina, namespace, "head")
    kill(afina, namespace, head["metadata"]["name"])
    before = counts(job(afina, namespace, "on-workers"))["succeeded"]
    assert before < TRIALS - 2, "it is over too soon to lose its head"
    found = wait_ended(afina, namespace, "on-workers")
    assert succeeded(found)["reason"] == "MaxTrialsReached", found["status"]
    assert counts(found) == {"total": TRIALS, "running": 0, "succeeded": TRIALS, "failed": 0, "pruned": 0}
    drivers = afina.items("pods", namespace, "batch.kubernetes.io/job-name=tj-on-workers")
    assert len(drivers) == 1, "the driver itself had nothing to fear"
    log = drivers_log(afina, namespace, "on-workers")
    assert log.count("Ray has ended") == 1, "once, with its head"
    found_hosts = hosts(log)
    assert len(found_hosts) > TRIALS, "no trial was run again"
    assert len(set(found_hosts)) >= 2
    assert all(host.startswith("tj-on-workers-workers-worker-") for host in found_hosts)
    wait_until(lambda: not ray_pods(afina, namespace, "worker"), "the workers' end", _PATIENCE)
    assert afina.get("raycluster", "tj-on-workers", namespace) is None


VISIBLE = 'echo "device $CUDA_VISIBLE_DEVICES"; sleep 3; echo "{\\"loss\\": $AFINA_PARAM_X}"'


def test_suspended_it_gives_back_all_its_pods_and_goes_on(afina: Cluster, namespace: str) -> None:
    """Two trials share a GPU of the worker, which is none: the scheduling is real, the device is not."""
    trial = {**script(VISIBLE), "resources": {"cpu": "50m", "memory": "64Mi", "gpu": 0.5}}
    budget = {"maxTrials": 6, "parallelTrials": 2}
    afina.apply(tuning_job("pausing", trial, budget=budget, execution={"workers": 1}), namespace=namespace)
    wait_for_trials(afina, namespace, "pausing", ended=1)
    label = "afina.dev/tuningjob=pausing"
    asked = [pod["spec"]["containers"][0]["resources"]["limits"] for pod in afina.items("pods", namespace, label)]
    assert sorted(limits.get("nvidia.com/gpu", "") for limits in asked) == ["", "", "1"]
    afina.kubectl("patch", "tuningjob", "pausing", "--type=merge", '-p={"spec":{"suspend":true}}', namespace=namespace)
    wait_for_condition(afina, namespace, "pausing", "Suspended")
    running = ("Pending", "Running")
    wait_until(
        lambda: not [pod for pod in afina.items("pods", namespace, label) if pod["status"]["phase"] in running],
        "the end of its pods",
        _PATIENCE,
    )
    afina.kubectl("patch", "tuningjob", "pausing", "--type=merge", '-p={"spec":{"suspend":false}}', namespace=namespace)
    found = wait_ended(afina, namespace, "pausing")
    assert counts(found) == {"total": 6, "running": 0, "succeeded": 6, "failed": 0, "pruned": 0}
    log = drivers_log(afina, namespace, "pausing")
    assert {line.rpartition(" | ")[2] for line in log.splitlines() if " | device" in line} == {"device 0"}


def test_its_cluster_is_made_anew_where_more_trials_shall_run_at_a_time(afina: Cluster, namespace: str) -> None:
    trial = script('sleep 3; echo "{\\"loss\\": $AFINA_PARAM_X}"')
    growing = tuning_job("growing", trial, budget={"maxTrials": 12, "maxFailedTrials": 0}, execution={"workers": 1})
    afina.apply(growing, namespace=namespace)
    wait_for_trials(afina, namespace, "growing", ended=1)
    wider = '-p={"spec":{"budget":{"parallelTrials":2}}}'
    afina.kubectl("patch", "tuningjob", "growing", "--type=merge", wider, namespace=namespace)
    wait_until(lambda: slots_of_workers(afina, namespace, "growing") == "2", "larger workers", _PATIENCE)
    found = wait_ended(afina, namespace, "growing")
    assert counts(found) == {"total": 12, "running": 0, "succeeded": 12, "failed": 0, "pruned": 0}
    assert afina.kubectl("get", "events", "--field-selector=reason=Resized", "-o=name", namespace=namespace)
