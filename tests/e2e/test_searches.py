"""Algorithms and prunings in pods, a space with conditions and constraints, and a search that knows another."""

import re
from collections.abc import Callable

import pytest
import yaml

from e2e.jobs import LOSS_IS_X, Json, counts, script, succeeded, tuning_job, wait_ended
from kube import MANIFESTS, Cluster, KubeError

pytestmark = pytest.mark.e2e

REPORTS = script(
    'for step in 1 2 3; do echo "{\\"step\\": $step, \\"loss\\": $AFINA_PARAM_X}"; done;'
    ' sleep 1; echo "{\\"loss\\": $AFINA_PARAM_X}"'
)
TRIALS = 8
SEARCHES: dict[str, tuple[Json, Json]] = {
    "TPE": ({}, {"name": "Wilcoxon"}),
    "Hybrid": ({}, {"name": "SuccessiveHalving", "successiveHalving": {"minResource": 1, "reductionFactor": 2}}),
    "CmaEs": ({}, {"name": "Hyperband", "hyperband": {"maxResource": 3}}),
    "QMC": ({}, {"name": "Threshold", "threshold": {"upper": 0.6}}),
}
"""Those that need more of the image than Optuna; the others are in the unit tests."""
KIND = {"name": "kind", "categorical": {"choices": ["linear", "net"]}}
LAYERS = {"name": "layers", "int": {"min": 1, "max": 8}, "when": [{"parameter": "kind", "in": ["net"]}]}
X = {"name": "x", "float": {"min": 0, "max": 1}}
FIRST = [{"name": "kind", "value": "net"}, {"name": "layers", "value": 2}, {"name": "x", "value": 0.75}]
NET = script(
    'if [ "$AFINA_PARAM_KIND" = net ]; then loss=${AFINA_PARAM_LAYERS:?}; else loss=9${AFINA_PARAM_LAYERS:+none}; fi;'
    ' echo "{\\"loss\\": $loss, \\"x\\": $AFINA_PARAM_X}"'
)
SPACE: Json = {
    "parameters": [KIND, LAYERS, X],
    "constraints": [
        {"name": "deep", "expression": "layers >= 2"},
        {"name": "low", "metric": "x", "max": 0.5},
    ],
    "algorithm": {"name": "Hybrid", "seed": 1},
}


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    """Where all searches have begun."""
    namespace = new_namespace("searches")
    jobs = [
        tuning_job(
            name.lower(),
            REPORTS,
            parameters=[{"name": "x", "float": {"min": 0, "max": 1, "step": 0.125}}],
            algorithm={"name": name, "seed": 1} | settings,
            pruning=pruning,
            budget={"maxTrials": TRIALS, "parallelTrials": 2},
        )
        for name, (settings, pruning) in SEARCHES.items()
    ]
    earlier = tuning_job("earlier", NET, budget={"maxTrials": 16}, initialConfigs=[{"params": FIRST}], **SPACE)
    upward = tuning_job("upward", script(LOSS_IS_X), budget={"maxTrials": TRIALS})
    afina.apply(earlier, upward, *jobs, namespace=namespace)
    return namespace


@pytest.mark.parametrize("name", SEARCHES)
def test_algorithm_and_pruning(name: str, afina: Cluster, namespace: str) -> None:
    ended = wait_ended(afina, namespace, name.lower())
    assert succeeded(ended)["reason"] == "MaxTrialsReached"
    found = counts(ended)
    assert (found["total"], found["succeeded"] + found["pruned"]) == (TRIALS, TRIALS)
    if name == "QMC":
        assert found["pruned"] > 0, "a sequence that is spread evenly has points above the threshold"


def test_conditions_constraints_and_a_search_that_begins_with_them(afina: Cluster, namespace: str) -> None:
    """The script fails where a layer is missing, or is there without a net."""
    ended = wait_ended(afina, namespace, "earlier")
    found = counts(ended)
    assert (found["total"], found["succeeded"]) == (16, 16), ended["status"].get("lastFailure")
    assert found["infeasible"] >= 1, "the first one, which was given"
    best = ended["status"]["best"][0]
    assert best["values"] == {"loss": 2}
    assert next(pair["value"] for pair in best["params"] if pair["name"] == "x") <= 0.5
    later = tuning_job(
        "later", NET, budget={"maxTrials": 1}, warmStartFrom=[{"tuningJobRef": {"name": "earlier"}}], **SPACE
    )
    afina.apply(later, namespace=namespace)
    warm = wait_ended(afina, namespace, "later")
    assert warm["status"]["warmStart"] == {"trials": 16}
    assert warm["status"]["best"][0]["values"] == {"loss": 2}, "begins where the earlier one ended"


def test_a_search_that_an_earlier_one_leads_astray_goes_on_without_it(afina: Cluster, namespace: str) -> None:
    """What the earlier one found best is worst now."""
    wait_ended(afina, namespace, "upward")
    downward = script('awk -v x=$AFINA_PARAM_X \'BEGIN {print "{\\"loss\\": " 1 - x "}"}\'')
    astray = tuning_job(
        "astray",
        downward,
        algorithm={"name": "Hybrid", "seed": 1},
        budget={"maxTrials": 10},
        warmStartFrom=[{"tuningJobRef": {"name": "upward"}}],
    )
    afina.apply(astray, namespace=namespace)
    ended = wait_ended(afina, namespace, "astray")
    assert succeeded(ended)["reason"] == "MaxTrialsReached"
    assert ended["status"]["warmStart"]["trials"] == TRIALS
    assert ended["status"]["warmStart"]["agreement"] <= 0
    assert ended["status"]["best"][0]["values"]["loss"] < 0.1


def shortened(example: str, trials: int) -> list[Json]:
    """An example with fewer trials."""
    documents = list(yaml.safe_load_all((MANIFESTS / example).read_text()))
    documents[-1]["spec"]["budget"]["maxTrials"] = trials
    return documents


def test_example_of_a_conditional_space(afina: Cluster, namespace: str) -> None:
    afina.apply(*shortened("14-tuningjob-conditional.yaml", 14), namespace=namespace)
    ended = wait_ended(afina, namespace, "which-model")
    assert succeeded(ended)["reason"] == "MaxTrialsReached"
    assert counts(ended)["succeeded"] == 14, ended["status"].get("lastFailure")
    best = ended["status"]["best"][0]
    assert best["values"]["accuracy"] > 0.9
    names = {pair["name"] for pair in best["params"]}
    assert names in (
        {"model", "n_estimators", "max_depth"},
        {"model", "C", "kernel"},
        {"model", "C", "kernel", "gamma"},
    )


def test_two_objectives(afina: Cluster, namespace: str) -> None:
    afina.apply(*shortened("13-tuningjob-two-objectives.yaml", 18), namespace=namespace)
    ended = wait_ended(afina, namespace, "small-forest")
    assert succeeded(ended)["reason"] == "MaxTrialsReached"
    status = ended["status"]
    assert status["front"]["size"] >= len(status["best"]) == 5
    assert status["summary"]["best"].startswith("error 0.")
    assert ", nodes " in status["summary"]["best"]
    errors, nodes = ([trial["values"][name] for trial in status["best"]] for name in ("error", "nodes"))
    by_error = [size for _, size in sorted(zip(errors, nodes, strict=True))]
    assert by_error == sorted(nodes, reverse=True), "who errs less is larger"


def test_a_population_goes_on_from_checkpoints(afina: Cluster, namespace: str) -> None:
    documents = yaml.safe_load_all((MANIFESTS / "15-tuningjob-population.yaml").read_text())
    afina.apply(*documents, namespace=namespace)
    ended = wait_ended(afina, namespace, "learned-schedule")
    assert succeeded(ended)["reason"] == "MaxTrialsReached"
    assert (counts(ended)["total"], counts(ended)["succeeded"]) == (32, 32)
    log = afina.kubectl("logs", "job/tj-learned-schedule", "-c", "driver", namespace=namespace)
    losses = {int(number): float(loss) for number, loss in re.findall(r"trial (\d+) succeeded: loss ([\d.]+)", log)}
    first, last = ([losses[number] for number in numbers] for numbers in (range(8), range(24, 32)))
    assert max(last) < min(first), "all have learned from what was learned before"
    best = ended["status"]["best"][0]["number"]
    begun = re.search(rf"trial {best} \| goes on from epoch (\d+), which trial (\d+) has left", log)
    assert begun
    assert int(begun[1]) >= 10
    assert f"trial {begun[2]} | goes on from epoch {int(begun[1]) - 5}" in log


def test_a_condition_that_cannot_be_met_is_refused_by_the_api_server(afina: Cluster, namespace: str) -> None:
    never = LAYERS | {"when": [{"parameter": "kind", "in": ["forest"]}]}
    with pytest.raises(KubeError, match="when must ask for values that the other parameter can have"):
        afina.apply(tuning_job("never", NET, parameters=[KIND, never]), namespace=namespace)
