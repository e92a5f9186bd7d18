"""The numbered examples do what they promise, in pods, and leave their history and plots in MLflow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from e2e.jobs import Json, counts, succeeded, wait_ended
from kube import MANIFESTS, Cluster
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


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    namespace = new_namespace("manifests")
    for example in EXAMPLES:
        afina.kubectl("apply", "-f", str(MANIFESTS / example.file), namespace=namespace)
    return namespace


@pytest.fixture(scope="module")
def mlflow(afina: Cluster) -> Iterator[Mlflow]:
    with forwarded_mlflow(afina) as found:
        yield found


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.file)
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.param
    return found


@pytest.fixture
def ended(example: Example, afina: Cluster, namespace: str) -> Json:
    return wait_ended(afina, namespace, example.name)


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
    files = mlflow.artifacts(tracking["runId"])
    assert [file for file in files if "history" in file], files
    assert [file for file in files if "param" in file], files
