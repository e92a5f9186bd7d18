"""Rollouts under load on the real cluster: failed requests, shares, weights, how soon what is bad is gone.

Run by hand: `make soak-rollouts`. It uses the cluster and the installation at hand, which must be for all namespaces
(the chart's `clusterWide=true`), sends its load to 127.0.0.1 alone, and prints a table. What may not be: a failed
request while only good revisions serve, a version of the route whose weights do not sum to 100, a share of the
requests outside the interval in which chance leaves 99.9 % of the shares, a bad canary that reaches its second
weight, a good one that does not get all of the traffic.
"""

import argparse
import itertools
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mlflow import MlflowClient
from scipy.stats import binom

from e2e.jobs import Json, condition
from e2e.rollouts import ALIAS, GATEWAY, Models, Routes, deployment, recorded_routes
from kube import NAMESPACE, RELEASE, Cluster, wait_until
from support.canaries import BODIES, DRIFTED, FAILING, GOOD, SLOW, Canary
from tracking import forwarded_mlflow
from traffic import Answer, Load

PLACE, NAME = "soak-rollouts", "sums"
STEPS = [{"setWeight": 10}, {"analysis": {"minSamples": 100}}, {"setWeight": 50}, {"pauseSeconds": 3}]
JUDGE = {"maxErrorShareIncrease": 0.03, "maxLatencyRatio": 4, "maxPredictionDrift": 0.2}
BAD: dict[str, Canary] = {"answers NaN": FAILING, "slow": SLOW, "drifted": DRIFTED}
_LONGEST_SECONDS = 300
_SETTLING_SECONDS = 2.0
"""So long after a change of the route, requests may still go the old way."""


class Soak:
    """One ModelDeployment under load."""

    def __init__(self, cluster: Cluster, models: Models, load: Load, routes: Routes) -> None:
        self._cluster = cluster
        self._models = models
        self._load = load
        self._routes = routes

    def now(self) -> Json:
        return self._cluster.get("modeldeployment", NAME, PLACE) or {}

    def wait(self, look: Callable[[Json], bool], what: str) -> None:
        wait_until(lambda: look(self.now()), what, _LONGEST_SECONDS, every=0.5)

    def promote(self) -> None:
        """A good canary to the end."""
        began, count = time.monotonic(), len(self._routes.versions)
        version = self._models.register(GOOD)
        self.wait(lambda now: _stable(now) == version, f"version {version} gets all of the traffic")
        answers = self._load.since(began)
        failed = Counter(answer.status for answer in answers if answer.status != 200)
        print(
            f"good v{version}: {time.monotonic() - began:5.1f} s, {len(answers)} requests, failed {dict(failed)}, "
            f"shares {self._shares(count)}",
            flush=True,
        )

    def roll_back(self, what: str, canary: Canary, *, wrong_digest: bool = False) -> None:
        """A bad canary until it is gone."""
        stable, began, count = _stable(self.now()), time.monotonic(), len(self._routes.versions)
        version = self._models.register(canary, wrong_digest=wrong_digest)
        self.wait(lambda now: _rejected(now) == version, f"{what} is rolled back")
        gone = time.monotonic()
        highest = max((min(s.values()) for _, s in self._routes.versions[count:] if len(s) > 1), default=0)
        self._models.make_champion(stable)
        self.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")
        failed = Counter(answer.status for answer in self._load.since(began) if answer.status != 200)
        print(
            f"bad v{version} ({what}): gone after {gone - began:5.1f} s, highest weight {highest}, "
            f"failed {dict(failed)} of its own",
            flush=True,
        )

    def abort(self) -> None:
        """From the command to weight 0."""
        stable = _stable(self.now())
        self._models.register(GOOD)
        self.wait(lambda now: now.get("status", {}).get("weight") == 10, "the canary has its weight")
        began = time.monotonic()
        said = f"afina.dev/rollout=abort {began}"
        self._cluster.kubectl("annotate", "mldep", NAME, said, "--overwrite", namespace=PLACE)
        wait_until(
            lambda: self._routes.versions[-1][1].get(_revision(self.now()), 0) == 100, "weight 0", 60, every=0.05
        )
        print(f"abort: weight 0 after {self._routes.versions[-1][0] - began:.2f} s", flush=True)
        self._models.make_champion(stable)
        self.wait(lambda now: condition(now, "RolledBack").get("status") == "False", "the alias is back")

    def _shares(self, since: int) -> str:
        """The canary's share at each weight, and whether chance explains its distance from the weight."""
        told = []
        versions = self._routes.versions[since:]
        for (start, shares), (end, _) in itertools.pairwise(versions):
            if len(shares) == 2 and min(shares.values()) > 0:
                canary = list(shares)[1]
                answers = [a for a in self._load.answers if start + _SETTLING_SECONDS < a.at < end]
                told.append(_share(answers, canary, shares[canary] / 100))
        return ", ".join(told)


def _share(answers: Sequence[Answer], canary: str, wanted: float) -> str:
    hits, total = sum(answer.revision == canary for answer in answers), len(answers)
    if not total:
        return "none"
    low, high = binom.interval(0.999, total, wanted)
    return f"{hits / total:.3f} of {total} at {wanted:.2f}{'' if low <= hits <= high else ' OUTSIDE'}"


def _stable(now: Json) -> str:
    status = now.get("status", {})
    return "" if "canary" in status else str(status.get("stable", {}).get("modelVersion"))


def _revision(now: Json) -> str:
    return str(now["status"]["stable"]["revision"])


def _rejected(now: Json) -> str:
    return str(now.get("status", {}).get("rejected", {}).get("modelVersion"))


@contextmanager
def killing(cluster: Cluster, times: int) -> Iterator[Counter[str]]:
    """Kill the operator's pod so often, at random moments, while the block lasts."""
    done, stop = Counter[str](), threading.Event()

    def kill() -> None:
        moments = random.Random(0)
        while done["kills"] < times and not stop.wait(moments.uniform(2, 12)):
            selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
            cluster.kubectl(
                "delete", "pod", f"--selector={selector}", "--grace-period=0", "--force", namespace=NAMESPACE
            )
            done["kills"] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", type=int, default=10, help="good canaries")
    parser.add_argument("--bad", type=int, default=1, help="canaries of each bad kind")
    parser.add_argument("--per-second", type=float, default=200, help="requests")
    parser.add_argument("--kills", type=int, default=0, help="of the operator, meanwhile")
    options = parser.parse_args()
    cluster = Cluster.at_hand()
    cluster.make_namespace(PLACE)
    with forwarded_mlflow(cluster) as mlflow:
        models = Models(MlflowClient(mlflow.uri), f"{PLACE}-{int(time.time())}")
        models.register(GOOD)
        wanted = deployment(NAME, f"/{PLACE}", f"models:/{models.name}@{ALIAS}", steps=STEPS, judge=JUDGE)
        cluster.kubectl("delete", "mldep", "--all", namespace=PLACE)
        cluster.apply(GATEWAY, wanted, namespace=PLACE)
        wait_until(lambda: _ready(cluster), "version 1 is served by a release with clusterWide=true", _LONGEST_SECONDS)
        address = (cluster.get("modeldeployment", NAME, PLACE) or {})["status"]["address"]
        with (
            Load(f"{address}/predict", BODIES, options.per_second) as load,
            recorded_routes(cluster, PLACE, NAME) as routes,
            killing(cluster, options.kills) as killed,
        ):
            _run(Soak(cluster, models, load, routes), options.good, options.bad)
        _conclude(load, routes, killed["kills"])
    cluster.kubectl("delete", "namespace", PLACE, "--wait=false")


def _ready(cluster: Cluster) -> bool:
    return condition(cluster.get("modeldeployment", NAME, PLACE) or {}, "Ready").get("status") == "True"


def _run(soak: Soak, good: int, bad: int) -> None:
    for _ in range(good):
        soak.promote()
    soak.abort()
    for _ in range(bad):
        for what, canary in BAD.items():
            soak.roll_back(what, canary)
        soak.roll_back("flipped digest", GOOD, wrong_digest=True)


def _conclude(load: Load, routes: Routes, kills: int) -> None:
    wrong = [shares for _, shares in routes.versions if sum(shares.values()) != 100]
    print(
        f"{len(load.answers)} requests, failed {dict(load.failures())}; {len(routes.versions)} versions of the route, "
        f"{len(wrong)} of which do not sum to 100; operator killed {kills} times"
    )


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
