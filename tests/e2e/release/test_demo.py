"""The demo, as `make demo` runs it: it tells what happens, and the examples that it applies do what they promise."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from e2e.datasets import verdict
from e2e.jobs import Json, counts, job, succeeded
from kube import CHECKOUT, NAMESPACE, RELEASE, Cluster
from tracking import Mlflow, forwarded_mlflow

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Example:
    """A manifest and what comes of it."""

    file: str
    name: str
    trials: int
    metric: str
    at_most: float
    """A bound that a search of any sense stays below: see the comments."""
    prunes: bool = False


EXAMPLES = (
    # The standard deviation of the target is 77; ten trials, without a seed, come to 59 or 60.
    Example("10-tuningjob-minimal.yaml", "minimal", 10, "rmse", 64),
    # XGBoost's defaults have 0.0859; random search comes to 0.078.
    Example("11-tuningjob-xgboost.yaml", "breast-cancer-boost", 30, "logloss", 0.083, prunes=True),
    # The median of random parameters is 16, the optimum 11.4.
    Example("12-tuningjob-command.yaml", "passengers-forecast", 40, "rmse", 12.5),
)


MODEL = "breast-cancer"


@pytest.fixture(scope="module")
def told(cluster: Cluster) -> Iterator[str]:
    """What it says. Afterwards nothing of it is left, nor is Afina."""
    cluster.helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--ignore-not-found", "--wait")
    demo = [sys.executable, str(CHECKOUT / "dev" / "demo.py")]
    done = subprocess.run(demo, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    yield done.stdout
    for kind in ("modeldeployments", "automljobs", "datasets", "tuningjobs"):
        cluster.kubectl("delete", kind, "--all", "--cascade=foreground", namespace=NAMESPACE)
    cluster.helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait")


@pytest.fixture(scope="module")
def mlflow(cluster: Cluster, told: str) -> Iterator[Mlflow]:
    with forwarded_mlflow(cluster) as found:
        yield found


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.file)
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.param
    return found


@pytest.fixture
def ended(example: Example, cluster: Cluster, told: str) -> Json:
    return job(cluster, NAMESPACE, example.name)


def test_says_where_to_look(example: Example, told: str) -> None:
    assert f"{example.name}: {example.metric} " in told
    assert f"{example.name}: http://localhost:5000/" in told


def test_finds_good_parameters(example: Example, ended: Json) -> None:
    verdict = succeeded(ended)
    assert (verdict["status"], verdict["reason"]) == ("True", "MaxTrialsReached"), verdict
    best = ended["status"]["best"]
    values = [trial["values"][example.metric] for trial in best]
    assert values == sorted(values)
    assert len(values) == 5
    assert values[0] <= example.at_most
    names = {parameter["name"] for parameter in ended["spec"]["parameters"]}
    assert {parameter["name"] for parameter in best[0]["params"]} == names


def test_counts_every_trial_once(example: Example, ended: Json) -> None:
    found = counts(ended)
    assert found["total"] == example.trials
    assert found["running"] == found["failed"] == 0
    assert found["succeeded"] + found["pruned"] == example.trials
    assert (found["pruned"] > 0) is example.prunes
    assert ended["status"]["summary"]["trials"] == f"{example.trials}/{example.trials}"
    assert ended["status"]["summary"]["best"].startswith(f"{example.metric} ")


def test_leaves_runs_and_plots_in_mlflow(example: Example, ended: Json, mlflow: Mlflow) -> None:
    tracking = ended["status"]["tracking"]
    trials = mlflow.trials(tracking["experimentId"], tracking["runId"])
    assert len(trials) == example.trials
    assert mlflow.run(tracking["runId"])["info"]["status"] == "FINISHED"
    assert set(mlflow.artifacts(tracking["runId"])) == {"plots.html", "trials.csv"}


def test_learns_a_first_model_that_is_promoted(cluster: Cluster, told: str) -> None:
    found = cluster.get("automljob", f"{MODEL}-linear", NAMESPACE)
    assert found
    assert sorted(found["status"]["model"]["aliases"]) == ["candidate", "champion"]


def test_learns_a_better_model(cluster: Cluster, told: str) -> None:
    found = cluster.get("automljob", MODEL, NAMESPACE)
    assert found
    assert verdict(found) == ("True", "ModelReady"), found["status"]
    scores = {one["name"]: one["value"] for one in found["status"]["scores"]}
    assert scores["AUC"] > 0.95
    assert "candidate" in found["status"]["model"]["aliases"]
    assert found["status"]["model"]["digest"].startswith("sha256:")


def test_serves_it_after_a_canary_and_not_the_broken_one(cluster: Cluster, told: str) -> None:
    learned, served = (cluster.get(kind, MODEL, NAMESPACE) for kind in ("automljob", "modeldeployment"))
    assert learned
    assert served
    better = learned["status"]["model"]["version"]
    assert served["status"]["stable"]["modelVersion"] == better
    assert " | rolled back: " in told
    served_requests = re.search(r"(\d+) requests, failed: none; by revision: \{(.*)\}", told)
    assert served_requests, told
    assert int(served_requests[1]) > 1000
    assert len(served_requests[2].split(", ")) == 2, "by the first revision, and by the better one"
