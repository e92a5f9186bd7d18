"""A trial as a pod of its own, as Katib has it, next to a trial of ours, which is a process in the job's pod.

Run by hand on a cluster that has the chart: `make bench-trial-pod`. The trials of both print the time and a number, one
after the other: ours in one TuningJob, theirs as a Job each, of the same image, which is created as soon as the one
before is seen complete. Nothing proposes parameters there and nothing collects metrics: it is the least that a trial
can cost that way.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, cast

from lightkube import Client, KubeConfig, types
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job
from lightkube.resources.core_v1 import Namespace

from bench.start_latency import STARTED, kubectl, plain_job, runtime_image, tuning_job

NAMESPACE = "afina-bench-trial-pod"
TuningJob = create_namespaced_resource("afina.dev", "v1alpha1", "TuningJob", "tuningjobs")


def ours(client: Client, name: str, trials: int) -> tuple[float, float]:
    """Seconds of a trial, from its start to the next one's, and of the whole job."""
    began = time.monotonic()
    client.create(TuningJob.from_dict(tuning_job(name, trials)), namespace=NAMESPACE)
    wait_for(client, TuningJob, name, _has_ended)
    took = time.monotonic() - began
    lines = kubectl("logs", f"--namespace={NAMESPACE}", "-l", f"afina.dev/tuningjob={name}", "--tail=-1")
    starts = [float(found) for found in STARTED.findall(lines)]
    if len(starts) != trials:
        raise RuntimeError(f"{name} ended with {len(starts)} of {trials} trials")
    client.delete(TuningJob, name, namespace=NAMESPACE)
    return (starts[-1] - starts[0]) / (trials - 1), took


def theirs(client: Client, name: str, trials: int, image: str) -> tuple[float, float]:
    """The same of a Job for each trial."""
    began = time.monotonic()
    for number in range(trials):
        one = f"{name}-{number}"
        client.create(cast(Job, Job.from_dict(plain_job(one, image))), namespace=NAMESPACE)
        wait_for(client, Job, one, lambda job: bool(job.status and job.status.succeeded))
    took = time.monotonic() - began
    return took / trials, took


def wait_for(client: Client, kind: Any, name: str, holds: Callable[[Any], bool]) -> None:
    """Watch an object until something holds of it."""
    # On a busy machine the watch cache is behind the write that it is asked about.
    for _, found in client.watch(
        kind, namespace=NAMESPACE, fields={"metadata.name": name}, on_error=types.on_error_retry
    ):
        if holds(found):
            return


def _has_ended(job: Any) -> bool:
    conditions = (job.status or {}).get("conditions", [])
    return any(one["type"] == "Succeeded" and one["status"] != "Unknown" for one in conditions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    image, client = runtime_image(), Client(KubeConfig.from_env(), trust_env=False)
    found: dict[str, list[tuple[float, float]]] = {"in the job's pod": [], "a Job for each": []}
    client.create(Namespace(metadata=ObjectMeta(name=NAMESPACE)))
    try:
        for number in range(options.rounds):
            found["in the job's pod"].append(ours(client, f"ours-{number}", options.trials))
            found["a Job for each"].append(theirs(client, f"theirs-{number}", options.trials, image))
            print(f"round {number}: {json.dumps({way: values[-1] for way, values in found.items()})}")
    finally:
        client.delete(Namespace, NAMESPACE)
    print(f"\n{options.trials} trials, one after the other; the median of {options.rounds} rounds\n")
    print("| trials | s for a trial | s for all, the start of the job too |\n|---|---|---|")
    for way, values in found.items():
        print(f"| {way} | {' | '.join(f'{statistics.median(column):.2f}' for column in zip(*values, strict=True))} |")
    ratios = (
        statistics.median(a) / statistics.median(b)
        for a, b in zip(*(list(zip(*values, strict=True)) for values in found.values()), strict=True)
    )
    print(f"| ratio | {' | '.join(f'{ratio:.3f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
