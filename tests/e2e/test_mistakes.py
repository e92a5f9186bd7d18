"""What people get wrong ends in a terminal condition that says what to do, and keeps the trials that ended."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e.jobs import Json, config_map, counts, script, succeeded, tuning_job, wait_ended
from kube import Cluster
from support import laptop

pytestmark = pytest.mark.e2e

IMAGE_THAT_IS_NOT_THERE = "not-there"


@dataclass(frozen=True)
class Bad:
    """A mistake, and what must be said about it."""

    trial: Json
    reason: str
    says: str
    """Pattern of the condition's message."""
    failed: int = 0
    """Trials that count as failed."""
    trial_reason: str = ""
    """Why, for the last of them ..."""
    trial_says: str = ""
    """... and the pattern of its message."""
    spec: dict[str, Any] = field(default_factory=dict)
    others: tuple[Json, ...] = ()
    """What is applied before the job."""


def _source(name: str, text: str) -> tuple[Json, tuple[Json, ...]]:
    return {"configMapRef": {"name": name}}, (config_map(name, train_py=text),)


_ONE_FAILURE = {"budget": {"maxTrials": 3, "maxFailedTrials": 0}}
_LOADED, _IMPORT_ERROR = _source(
    "import-error", "import a_module_that_is_not_there\n\ndef objective(params, trial):\n    return 0\n"
)
_EMPTY, _NO_FUNCTION = _source("no-function", "def another(params, trial):\n    return 0\n")

BAD: dict[str, Bad] = {
    "module that does not exist": Bad({"python": {"entrypoint": "nowhere:objective"}}, "InvalidObjective", "nowhere"),
    "import error in the source": Bad(
        {"source": _LOADED, "python": {"entrypoint": "train:objective"}},
        "InvalidObjective",
        "a_module_that_is_not_there",
        others=_IMPORT_ERROR,
    ),
    "function that does not exist": Bad(
        {"source": _EMPTY, "python": {"entrypoint": "train:objective"}},
        "InvalidObjective",
        "objective",
        others=_NO_FUNCTION,
    ),
    "image that does not exist": Bad(
        {"image": IMAGE_THAT_IS_NOT_THERE, **script("true")}, "ImageUnavailable", IMAGE_THAT_IS_NOT_THERE
    ),
    "ConfigMap that does not exist": Bad(
        {"source": {"configMapRef": {"name": "no-such-files"}}, **script("true")},
        "PodCannotStart",
        "no ConfigMap 'no-such-files': create it",
    ),
    "grid of a trillion combinations": Bad(
        script("true"),
        "InvalidSpec",
        "combinations, more than 100000",
        spec={
            "algorithm": {"name": "Grid"},
            "parameters": [{"name": f"p{n}", "int": {"min": 1, "max": 1000}} for n in range(4)],
        },
    ),
    "program that does not exist": Bad(
        {"command": {"argv": ["no-such-program"]}}, "InvalidObjective", "no program 'no-such-program': correct it"
    ),
    "no metric printed": Bad(
        script("echo all is well"),
        "TooManyFailedTrials",
        "",
        2,
        "MetricMissing",
        "loss",
        {"budget": {"maxFailedTrials": 1}},
    ),
    "NaN printed": Bad(
        script("""echo '{"loss": NaN}'"""), "TooManyFailedTrials", "", 1, "NotANumber", "loss is nan", _ONE_FAILURE
    ),
    "garbage printed": Bad(
        script("head -c 100000 /dev/urandom; echo '{{{'"),
        "TooManyFailedTrials",
        "",
        1,
        "MetricMissing",
        "",
        _ONE_FAILURE,
    ),
    "exit code 3": Bad(
        script("echo the disk is on fire >&2; exit 3"),
        "TooManyFailedTrials",
        "",
        1,
        "ExitCode",
        "3.*the disk is on fire",
        _ONE_FAILURE,
    ),
    "sleeps for ever": Bad(
        {**script("echo waiting; sleep 1000000"), "timeoutSeconds": 2},
        "TooManyFailedTrials",
        "",
        1,
        "Timeout",
        "2 s.*waiting",
        _ONE_FAILURE,
    ),
    "a fork that eats all memory": Bad(
        script("""python3 -c 'x = bytearray(1 << 31)' & wait $!"""),
        "TooManyFailedTrials",
        "",
        1,
        "OutOfMemory",
        "memory",
        _ONE_FAILURE,
    ),
    "every trial fails within what is allowed": Bad(
        script("exit 1"), "NoTrialSucceeded", "", 3, "ExitCode", "1", {"budget": {"maxTrials": 3, "maxFailedTrials": 9}}
    ),
}


@pytest.fixture(scope="module")
def namespace(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    """Where all of them have been applied."""
    namespace = new_namespace("bad")
    for what, bad in BAD.items():
        manifest = tuning_job(_name(what), bad.trial, **bad.spec)
        if bad.trial.get("image") == IMAGE_THAT_IS_NOT_THERE:
            repository = afina.images["runtime"].rpartition(":")[0]
            manifest["spec"]["trial"]["image"] = f"{repository}:{IMAGE_THAT_IS_NOT_THERE}"
        afina.apply(*bad.others, manifest, namespace=namespace)
    return namespace


@pytest.mark.parametrize("what", BAD)
def test_ends_and_says_why(what: str, afina: Cluster, namespace: str) -> None:
    bad = BAD[what]
    found = wait_ended(afina, namespace, _name(what))
    verdict = succeeded(found)
    assert (verdict["status"], verdict["reason"]) == ("False", bad.reason), verdict["message"]
    assert re.search(bad.says, verdict["message"], re.DOTALL), verdict["message"]
    assert counts(found).get("failed", 0) == bad.failed
    if bad.trial_reason:
        failure = found["status"]["lastFailure"]
        assert failure["reason"] == bad.trial_reason, failure
        assert re.search(bad.trial_says, failure["message"], re.DOTALL), failure


@pytest.mark.parametrize("what", BAD)
def test_is_explained(what: str, afina: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = BAD[what]
    wait_ended(afina, namespace, _name(what))
    monkeypatch.setenv("PATH", f"{Path(afina.programs['kubectl']).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", afina.kubeconfig)
    done = laptop.afina_alone("explain", "tuningjob", _name(what), "--namespace", namespace)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == f"TuningJob {_name(what)}: {bad.reason}"
    cause, evidence, *_, step = [line.split(maxsplit=1) for line in others if not line.startswith(" " * 12)]
    assert (cause[0], evidence[0], step[0]) == ("cause", "evidence", "next")
    assert bad.trial_reason in cause[1]
    assert re.search(bad.trial_says or bad.says, done.stdout, re.DOTALL)


def _name(what: str) -> str:
    return re.sub("[^a-z0-9]+", "-", what.lower())
