"""Resident memory of the operator with 0 and with 500 idle TuningJobs, next to a bare kopf operator.

Run by hand on a cluster: `make bench-memory`. Both run here as processes against that cluster's API server, one after
the other, and watch a namespace of their own, whose TuningJobs are suspended, so that no pod starts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMESPACE = "afina-bench-memory"
BARE = """
import kopf

@kopf.on.startup()
def configure(settings, **_):
    settings.scanning.disabled = True
    settings.posting.enabled = False

@kopf.on.event("afina.dev", "v1alpha1", "tuningjobs")
def seen(**_):
    pass
"""


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["kubectl", *arguments], input=stdin, text=True, capture_output=True, check=True, timeout=600)
    return done.stdout


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
        try:
            yield process.pid
            if process.poll() is not None:
                log.seek(0)
                raise RuntimeError(f"{command} ended: {log.read().decode()[-2000:]}")
        finally:
            process.terminate()
            process.wait(30)


def suspended_jobs(count: int) -> str:
    spec = {
        "objectives": [{"metric": "loss", "goal": "Minimize"}],
        "parameters": [{"name": "x", "float": {"min": 0, "max": 1}}],
        "trial": {"command": {"argv": ["true"]}},
        "suspend": True,
    }
    head = {"apiVersion": "afina.dev/v1alpha1", "kind": "TuningJob"}
    items = [{**head, "metadata": {"name": f"idle-{n}", "namespace": NAMESPACE}, "spec": spec} for n in range(count)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def measure(command: list[str], environment: dict[str, str], jobs: int, settle: float) -> tuple[float, float]:
    """Resident MiB without TuningJobs and with so many, each after a time to settle."""
    kubectl("delete", "tj", "--all", "-n", NAMESPACE)
    with running(command, environment) as pid:
        time.sleep(settle)
        empty = resident_mib(pid)
        kubectl("apply", "--server-side", "-f", "-", stdin=suspended_jobs(jobs))
        time.sleep(settle * 4)
        return empty, resident_mib(pid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500, help="idle TuningJobs (default: 500)")
    parser.add_argument("--settle", type=float, default=15, help="seconds before each reading (default: 15)")
    arguments = parser.parse_args()
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], capture_output=True, check=False)
    ours = {
        "AFINA_NAMESPACE": NAMESPACE,
        "AFINA_WATCH_NAMESPACES": NAMESPACE,
        "AFINA_RUNTIME_IMAGE": "none",
        "AFINA_RUNTIME_TORCH_IMAGE": "none",
        "AFINA_PORT": "18080",
    }
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".py") as bare:
            bare.write(BARE)
            bare.flush()
            kopf = [sys.executable, "-m", "kopf", "run", "--standalone", "-n", NAMESPACE, bare.name]
            bare_figures = measure(kopf, {}, arguments.jobs, arguments.settle)
        our_figures = measure([sys.executable, "-m", "afina_operator"], ours, arguments.jobs, arguments.settle)
    finally:
        kubectl("delete", "namespace", NAMESPACE)
    for what, bare_mib, our_mib in zip(("0", str(arguments.jobs)), bare_figures, our_figures, strict=True):
        ratio = our_mib / bare_mib
        print(f"{what:>5} TuningJobs: operator {our_mib:.1f} MiB, bare kopf {bare_mib:.1f} MiB, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
