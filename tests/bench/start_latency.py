"""From `kubectl apply` to the pod that runs the first trial, and to the trial's start, next to a plain Job.

Run by hand on a cluster that has the chart: `make bench-start`. The two are measured in turn, so that a noisy machine
bothers both alike; what counts is the ratio.
"""

import argparse
import json
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

NAMESPACE = "afina"
STARTED = re.compile(r"started-at (\d+\.\d+)")
PRINT_TIME = "date '+started-at %s.%N'"
_UNTIL_IT_WATCHES = 2.0


@dataclass(frozen=True)
class Start:
    """Seconds since `kubectl apply` was called."""

    pod: float
    """Until a watch told of the pod."""
    work: float
    """Until its work began: the first trial, or the container's command."""


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", "-n", NAMESPACE, *arguments], input=stdin, text=True, capture_output=True, check=True, timeout=120
    )
    return done.stdout


def tuning_job(name: str, trials: int = 1) -> dict[str, Any]:
    script = PRINT_TIME + """; echo '{"loss": 1}'"""
    return {
        "apiVersion": "afina.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": name},
        "spec": {
            "objectives": [{"metric": "loss", "goal": "Minimize"}],
            "parameters": [{"name": "x", "float": {"min": 0, "max": 1}}],
            "budget": {"maxTrials": trials},
            "trial": {"command": {"argv": ["sh", "-c", script]}, "resources": {"cpu": "100m", "memory": "64Mi"}},
        },
    }


def plain_job(name: str, image: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": image, "command": ["sh", "-c", PRINT_TIME]}
    container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod: dict[str, Any] = {"restartPolicy": "Never", "containers": [container]}
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": pod}, "backoffLimit": 0},
    }


def start_of(manifest: dict[str, Any], pod_selector: str) -> Start:
    """Apply a manifest, wait for the line with the time of the start, delete it again."""
    with _first_pod(pod_selector) as pod:
        applied = time.time()
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        deadline = time.monotonic() + 120
        try:
            while time.monotonic() < deadline:
                found = STARTED.search(kubectl("logs", "-l", pod_selector, "--tail=-1", "--ignore-errors"))
                if found:
                    return Start(pod.result(0) - applied, float(found[1]) - applied)
                time.sleep(0.5)
            raise TimeoutError(f"{manifest['kind']} {manifest['metadata']['name']} did not start within 120 s")
        finally:
            kubectl("delete", manifest["kind"].lower(), manifest["metadata"]["name"], "--cascade=foreground")


@contextmanager
def _first_pod(selector: str) -> Iterator[Future[float]]:
    """When the next pod of these is there."""
    argv = ["kubectl", "-n", NAMESPACE, "get", "pods", "-l", selector, "--watch-only", "--output=name"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watch, ThreadPoolExecutor(1) as reader:
        assert watch.stdout
        time.sleep(_UNTIL_IT_WATCHES)
        try:
            yield reader.submit(_time_of_a_line, watch.stdout)
        finally:
            watch.kill()


def _time_of_a_line(lines: Iterator[str]) -> float:
    next(lines)
    return time.time()


def runtime_image() -> str:
    """The image that the operator gives to drivers."""
    deployment = json.loads(kubectl("get", "deployment", "-l", "app.kubernetes.io/component=operator", "-o", "json"))
    env = deployment["items"][0]["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(variable["value"]) for variable in env if variable["name"] == "AFINA_RUNTIME_IMAGE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    rounds = parser.parse_args().rounds
    image = runtime_image()
    ours, plain = [], []
    for number in range(rounds):
        name = f"bench-start-{number}"
        ours.append(start_of(tuning_job(name), f"afina.dev/tuningjob={name}"))
        plain.append(start_of(plain_job(name, image), f"batch.kubernetes.io/job-name={name}"))
        _tell(f"round {number}", ours[-1:], plain[-1:])
    _tell(f"median of {rounds}", ours, plain)
    print(f"slowest of {rounds}: the pod of a TuningJob {max(one.pod for one in ours):.2f} s")


def _tell(title: str, ours: Sequence[Start], plain: Sequence[Start]) -> None:
    for what, of in (("pod", attrgetter("pod")), ("work", attrgetter("work"))):
        mine, theirs = (statistics.median(map(of, starts)) for starts in (ours, plain))
        print(f"{title}, {what}: TuningJob {mine:.2f} s, plain Job {theirs:.2f} s, ratio {mine / theirs:.2f}")


if __name__ == "__main__":
    main()
