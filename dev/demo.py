"""The demo: installs Afina on the cluster at hand, tunes three things, learns a model, serves it and rolls it over.

`make demo` brings a cluster up and runs this. With KUBECONFIG and AFINA_REGISTRY it uses that cluster.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml
from rich.console import Console
from rich.live import Live
from rich.table import Table

import story
from devcluster.console import Timeline, say
from kube import MANIFESTS, NAMESPACE, RELEASE, Cluster, KubeError
from kubereads import Json
from tracking import forwarded_mlflow

PORT = 5000
_LONGEST_SECONDS = 900
_WHAT_THEY_ARE = {
    "10-tuningjob-minimal.yaml": "ten trials of a built-in objective, XGBoost on the diabetes data",
    "11-tuningjob-xgboost.yaml": "your own Python: XGBoost on the breast cancer data, two trials at a time, pruned",
    "12-tuningjob-command.yaml": "any program: an awk script that forecasts airline passengers",
}

console = Console()


@dataclass(frozen=True)
class Row:
    """A TuningJob at a glance, as `kubectl get tuningjobs` shows it."""

    name: str
    best: str
    trials: str
    running: int
    pruned: int
    reason: str
    message: str
    succeeded: bool | None

    @classmethod
    def of(cls, job: Json) -> Self:
        """The row of an object."""
        status = job.get("status", {})
        summary, counts = status.get("summary", {}), status.get("trials", {})
        condition: Json = next((c for c in status.get("conditions", []) if c["type"] == "Succeeded"), {})
        return cls(
            name=job["metadata"]["name"],
            best=summary.get("best", ""),
            trials=summary.get("trials", ""),
            running=counts.get("running", 0),
            pruned=counts.get("pruned", 0),
            reason=condition.get("reason", ""),
            message=condition.get("message", ""),
            succeeded={"True": True, "False": False}.get(condition.get("status", "")),
        )


def main() -> int:
    """Run the demo; the exit status is 1 when a job failed."""
    timeline = Timeline()
    try:
        cluster = Cluster.at_hand()
        with timeline.phase(f"install the chart: helm upgrade --install {RELEASE} charts/afina -n {NAMESPACE}"):
            cluster.install()
        with timeline.phase("apply three TuningJobs"):
            names = [_apply(cluster, manifest, what) for manifest, what in _WHAT_THEY_ARE.items()]
        with timeline.phase(f"search: kubectl -n {NAMESPACE} get tuningjobs --watch"):
            jobs = _follow(cluster, names)
        _show_results(cluster, jobs)
        with forwarded_mlflow(cluster) as mlflow:
            story.tell(cluster, mlflow, timeline)
    except KubeError as error:
        say(f"demo: {error}")
        return 1
    print(f"\n{timeline.summary()}\n\n{_NEXT}")
    return 0 if all(Row.of(job).succeeded for job in jobs) else 1


def _apply(cluster: Cluster, manifest: str, what: str) -> str:
    """Apply a manifest afresh and return the name of its TuningJob."""
    path = MANIFESTS / manifest
    say(f"    manifests/{manifest}: {what}")
    cluster.kubectl("delete", "-f", str(path), "--ignore-not-found", "--cascade=foreground", namespace=NAMESPACE)
    cluster.kubectl("apply", "-f", str(path), namespace=NAMESPACE)
    return _name_of_job(path)


def _name_of_job(path: Path) -> str:
    documents = yaml.safe_load_all(path.read_text())
    return next(str(document["metadata"]["name"]) for document in documents if document["kind"] == "TuningJob")


def _follow(cluster: Cluster, names: list[str]) -> list[Json]:
    """Show the jobs as they go, until all have ended; raises KubeError where that takes too long."""
    if not console.is_terminal:
        return _print_changes(cluster, names)
    with Live(console=console, auto_refresh=False) as live:
        for seconds, jobs in _watch(cluster, names):
            live.update(_table([Row.of(job) for job in jobs], seconds), refresh=True)
    return jobs


def _watch(cluster: Cluster, names: list[str]) -> Iterator[tuple[float, list[Json]]]:
    """The jobs, every second, and the seconds since the first look; the last time when all have ended."""
    started = time.monotonic()
    while (seconds := time.monotonic() - started) < _LONGEST_SECONDS:
        found = {job["metadata"]["name"]: job for job in cluster.items("tuningjobs", NAMESPACE)}
        if gone := [name for name in names if name not in found]:
            raise KubeError(f"somebody has deleted {', '.join(gone)}")
        jobs = [found[name] for name in names]
        yield seconds, jobs
        if all(Row.of(job).succeeded is not None for job in jobs):
            return
        time.sleep(1)
    raise KubeError(f"not ended within {_LONGEST_SECONDS} s: see kubectl -n {NAMESPACE} describe tuningjobs")


def _table(rows: list[Row], seconds: float) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), title=f"{seconds:.0f} s", title_justify="left")
    for heading in ("", "Best", "Trials", "Running", "Pruned", "Reason"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        colour = {True: "green", False: "red", None: "yellow"}[row.succeeded]
        reason = f"[{colour}]{row.reason}[/]"
        table.add_row(row.name, row.best, row.trials, str(row.running), str(row.pruned), reason)
    return table


def _print_changes(cluster: Cluster, names: list[str]) -> list[Json]:
    shown: list[Row] = []
    for seconds, jobs in _watch(cluster, names):
        rows = [Row.of(job) for job in jobs]
        for row in rows:
            if row not in shown:
                counts = f"{row.trials:>7}  {row.running} running  {row.pruned} pruned"
                say(f"  {seconds:4.0f} s  {row.name:20} {row.best:18} {counts}  {row.reason}")
        shown = rows
    return jobs


def _show_results(cluster: Cluster, jobs: list[Json]) -> None:
    print("\nBest parameters")
    for job in jobs:
        row, best = Row.of(job), (job["status"].get("best") or [None])[0]
        if row.succeeded and best:
            values = ", ".join(f"{parameter['name']}={_short(parameter['value'])}" for parameter in best["params"])
            print(f"  {row.name}: {row.best} in trial {best['number']}, {row.trials} trials")
            print(f"    {values}")
        else:
            print(f"  {row.name}: {row.reason}: {row.message}")
    print("\nHistory and plots, in MLflow")
    print(f"  kubectl -n {NAMESPACE} port-forward service/{RELEASE}-mlflow {PORT}:{PORT}")
    with forwarded_mlflow(cluster) as mlflow:
        for job in jobs:
            if tracking := job["status"].get("tracking"):
                run = f"#/experiments/{tracking['experimentId']}/runs/{tracking['runId']}/artifacts"
                print(f"  {job['metadata']['name']}: http://localhost:{PORT}/{run}")
                print(f"    {', '.join(mlflow.artifacts(tracking['runId']))}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_NEXT = f"""\
Try next
  kubectl -n {NAMESPACE} describe tuningjob breast-cancer-boost   the best trials, conditions and events
  .venv/bin/afina run manifests/12-tuningjob-command.yaml   the same file without a cluster
  manifests/11-tuningjob-xgboost.yaml                       put your own function into its ConfigMap
  docs/tuning.md                                            all that a TuningJob can do
  kubectl -n {NAMESPACE} get mldep -w                            and move the alias in MLflow: docs/rollouts.md
  make down                                                 nothing is left behind"""


if __name__ == "__main__":
    sys.exit(main())
