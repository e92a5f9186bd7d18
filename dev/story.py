"""The second half of the demo: a model is learned and served, a better one takes its place, a broken one does not."""

import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from itertools import islice

import yaml

from afina_api.automljob import DIGEST_TAG
from devcluster.console import Timeline, say
from kube import MANIFESTS, NAMESPACE, Cluster, KubeError, wait_until
from kubereads import Json
from tracking import Mlflow
from traffic import Load

_LEARNING, _SERVING = MANIFESTS / "21-automljob-classification.yaml", MANIFESTS / "30-modeldeployment.yaml"
_NAME = "breast-cancer"
_FIRST, _BETTER = f"{_NAME}-linear", _NAME
_PER_SECOND = 100.0
_LONGEST_SECONDS = 600
_WRONG_DIGEST = "sha256:" + "0" * 64


def tell(cluster: Cluster, mlflow: Mlflow, timeline: Timeline) -> None:
    """Tell it on a cluster with Afina in it.

    Raises:
        KubeError: it does not go as it should.
    """
    with timeline.phase("learn: two AutoMLJobs on the breast cancer data, one with a single linear model"):
        _begin(cluster)
        first = _registered(cluster, _FIRST)
        say(f"    {_FIRST}: version {first} of {_NAME}, {_best(cluster, _FIRST)}")
    with timeline.phase(f"serve it: kubectl apply -f manifests/{_SERVING.name}"):
        mlflow.make_champion(_NAME, first)
        cluster.kubectl("apply", "-f", str(_SERVING), namespace=NAMESPACE)
        address = _served(cluster, first)
        wait_until(lambda: _answers(address), f"{address} answers", _LONGEST_SECONDS, every=0.2)
        say(f"    {address}/predict answers")
    with Load(f"{address}/predict", [{"rows": [row]} for row in _rows()], _PER_SECOND) as load:
        with timeline.phase("learn: the better model"):
            better = _registered(cluster, _BETTER)
            say(f"    {_BETTER}: version {better}, {_best(cluster, _BETTER)}")
        with timeline.phase(f"roll it out at {_PER_SECOND:g} requests a second: kubectl get mldep -w"):
            mlflow.make_champion(_NAME, better)
            _follow(cluster, lambda now: _stable(now) == better)
        with timeline.phase("roll a broken one out: its files are not those that were registered"):
            broken = mlflow.copy_version(_NAME, better, **{DIGEST_TAG: _WRONG_DIGEST})
            mlflow.make_champion(_NAME, broken)
            _follow(cluster, lambda now: now["status"].get("rejected", {}).get("modelVersion") == broken)
            mlflow.make_champion(_NAME, better)
    by_revision = Counter(answer.revision for answer in load.answers if answer.status == 200)
    failed = ", ".join(f"{count} with status {status or 'none'}" for status, count in load.failures().items())
    print(f"\nServed\n  {len(load.answers)} requests, failed: {failed or 'none'}; by revision: {dict(by_revision)}")
    print(f'  curl {address}/predict -d \'{{"rows": [{{"mean_radius": 14.2}}]}}\'')


def _begin(cluster: Cluster) -> None:
    """Apply the data and both jobs, afresh."""
    documents = list(yaml.safe_load_all(_LEARNING.read_text()))
    (job,) = [document for document in documents if document["kind"] == "AutoMLJob"]
    linear: Json = {
        **job,
        "metadata": {"name": _FIRST},
        "spec": {**job["spec"], "models": ["Linear"], "budget": {"timeSeconds": 10, "maxModels": 1}},
    }
    for kind, names in (("modeldeployment", [_NAME]), ("automljob", [_FIRST, _BETTER]), ("dataset", [_NAME])):
        cluster.kubectl("delete", kind, *names, "--ignore-not-found", "--cascade=foreground", namespace=NAMESPACE)
    cluster.apply(*(document for document in documents if document is not job), linear, job, namespace=NAMESPACE)


def _registered(cluster: Cluster, name: str) -> str:
    """The version that a job has registered, once it has ended."""

    def version() -> str:
        status = (cluster.get("automljob", name, NAMESPACE) or {}).get("status", {})
        return str(status.get("model", {}).get("version", "")) if status.get("completionTime") else ""

    return wait_until(version, f"AutoMLJob {name} has registered its model", _LONGEST_SECONDS)


def _best(cluster: Cluster, name: str) -> str:
    return str((cluster.get("automljob", name, NAMESPACE) or {})["status"]["summary"]["best"])


def _now(cluster: Cluster) -> Json:
    return {"status": {"summary": {}}} | (cluster.get("modeldeployment", _NAME, NAMESPACE) or {})


def _served(cluster: Cluster, version: str) -> str:
    """The address, once that version is served."""

    def address() -> str:
        now = _now(cluster)
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in now["status"].get("conditions", ()))
        return str(now["status"].get("address", "")) if ready and _stable(now) == version else ""

    return wait_until(address, f"version {version} is served", _LONGEST_SECONDS)


def _answers(address: str) -> bool:
    """The Gateway has taken the route; that it goes by it comes a moment later."""
    try:
        with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=5) as answer:  # noqa: S310 - http, always
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _stable(now: Json) -> str:
    return str(now["status"].get("stable", {}).get("modelVersion"))


def _follow(cluster: Cluster, ended: Callable[[Json], bool]) -> None:
    """Print what changes until the end; raises KubeError where that takes too long."""
    began, told = time.monotonic(), ""
    while time.monotonic() - began < _LONGEST_SECONDS:
        now = _now(cluster)
        if (line := _line(now)) != told:
            say(f"  {time.monotonic() - began:4.0f} s  {line}")
            told = line
        if ended(now):
            return
        time.sleep(0.5)
    raise KubeError(f"not ended within {_LONGEST_SECONDS} s: see kubectl -n {NAMESPACE} describe mldep {_NAME}")


def _line(now: Json) -> str:
    status = now["status"]
    summary, rollout = status["summary"], status.get("rollout")
    if rollout:
        canary = f"{summary['canary']} {status.get('weight', 0)} %, step {summary['step']}"
        return f"{summary['stable']} | {canary}: {rollout['verdict']}"
    rejected = status.get("rejected")
    return f"{summary['stable']}" + (f" | rolled back: {rejected['message']}" if rejected else "")


def _rows() -> list[Json]:
    """Some rows of the data, without what is to be predicted."""
    (data,) = [one for one in yaml.safe_load_all(_LEARNING.read_text()) if one["kind"] == "ConfigMap"]
    names, *lines = (line.split(",") for line in islice(next(iter(data["data"].values())).splitlines(), 101))
    return [dict(zip(names[:-1], map(float, line[:-1]), strict=True)) for line in lines]
