"""The judge next to fixed thresholds (as in Argo Rollouts' analyses) and counted failed checks (as in Flagger's).

`make bench-judge`: no cluster, some minutes. All judge the same simulated requests: a tenth of the traffic goes to the
canary, latencies are lognormal with a median of 50 ms and a sigma of 0.5. Peers look once a minute and ten times, as in
the examples of their documentation. Ours looks until it has decided, for an hour at most: every minute as they do, and
every 15 seconds, as it may.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from afina_api.serving import LATENCY_BOUNDS
from afina_operator.judge import Evidence, Limits, Outcome, Sample, judge, look

MINUTES, PEERS_MINUTES = 60, 10
PER_MINUTE = 4
"""Shortest looks."""
USUAL = Limits(min_samples=100, max_error_share_increase=0.01, max_latency_ratio=1.5)
STRICT = Limits(min_samples=100, max_error_share_increase=0.002, max_latency_ratio=1.1)
SURE = replace(USUAL, max_uncertainty_increase=0.05)
"""Of a model that says how sure it is: 0.3 on average, with a standard deviation of 0.14."""


@dataclass(frozen=True)
class Case:
    """A canary, and the traffic."""

    name: str
    limits: Limits
    more_errors: float = 0.0
    times_slower: float = 1.0
    stable_errors: float = 0.005
    canary_requests: int = 100
    """A minute, on average."""
    more_uncertain: float = 0.0


GOOD = [
    Case("no change", USUAL),
    Case("no change, 20 canary requests a minute", USUAL, canary_requests=20),
    Case("no change, 2 % errors at both", USUAL, stable_errors=0.02),
    Case("1.2 times slower", USUAL, times_slower=1.2),
    Case("no change; strict limits", STRICT),
    Case("no change; with a limit of uncertainty", SURE),
]
AT_LIMIT = [
    Case("1 % more errors", USUAL, more_errors=0.01),
    Case("1.5 times slower", USUAL, times_slower=1.5),
    Case("0.2 % more errors; strict limits", STRICT, more_errors=0.002),
    Case("1.1 times slower; strict limits", STRICT, times_slower=1.1),
    Case("0.05 more uncertain", SURE, more_uncertain=0.05),
]
BAD = [
    Case("1 % more errors; strict limits", STRICT, more_errors=0.01),
    Case("5 % more errors", USUAL, more_errors=0.05),
    Case("30 % more errors", USUAL, more_errors=0.3),
    Case("1.2 times slower; strict limits", STRICT, times_slower=1.2),
    Case("2 times slower", USUAL, times_slower=2),
    Case("10 times slower", USUAL, times_slower=10),
    Case("0.1 more uncertain", SURE, more_uncertain=0.1),
    Case("0.2 more uncertain", SURE, more_uncertain=0.2),
]


@dataclass(frozen=True)
class Side:
    """The requests of one side in one look."""

    errors: int
    seconds: NDArray[np.float64]
    uncertainty: float = 0.0
    """Sum over the requests, of which each has a row."""

    @property
    def requests(self) -> int:
        return len(self.seconds)

    def sample(self) -> Sample:
        buckets = np.bincount(np.searchsorted(LATENCY_BOUNDS, self.seconds), minlength=len(LATENCY_BOUNDS) + 1)
        return Sample(
            requests=self.requests,
            errors=self.errors,
            latencies=tuple(buckets.tolist()),
            uncertainty=(self.uncertainty, self.requests),
        )


Look = tuple[Side, Side]
Decided = tuple[Outcome, int]
"""And after how many canary requests."""
Judge = Callable[[Case, Iterator[Look]], Decided]


def stream(case: Case, random: np.random.Generator) -> Iterator[Look]:
    """Looks of 15 seconds."""

    def side(a_minute: int, errors: float, times_slower: float, uncertainty: float) -> Side:
        count = int(random.poisson(a_minute / PER_MINUTE))
        failed, seconds = int(random.binomial(count, errors)), times_slower * random.lognormal(np.log(0.05), 0.5, count)
        if case.limits.max_uncertainty_increase is None:
            return Side(failed, seconds)
        return Side(failed, seconds, float(random.beta(10 * uncertainty, 10 * (1 - uncertainty), count).sum()))

    while True:
        yield (
            side(
                case.canary_requests,
                case.stable_errors + case.more_errors,
                case.times_slower,
                0.3 + case.more_uncertain,
            ),
            side(9 * case.canary_requests, case.stable_errors, 1.0, 0.3),
        )


def minutes(looks: Iterator[Look]) -> Iterator[Look]:
    def merged(sides: Sequence[Side]) -> Side:
        seconds = np.concatenate([side.seconds for side in sides])
        return Side(sum(side.errors for side in sides), seconds, sum(side.uncertainty for side in sides))

    while True:
        canary, stable = zip(*islice(looks, PER_MINUTE), strict=True)
        yield merged(canary), merged(stable)


def ours(case: Case, looks: Iterator[Look], a_minute: int = PER_MINUTE) -> Decided:
    evidence = Evidence()
    for canary, stable in islice(looks, MINUTES * a_minute):
        evidence = look(evidence, canary.sample(), stable.sample(), case.limits)
        outcome = judge(evidence, case.limits).outcome
        if outcome is not Outcome.INCONCLUSIVE:
            break
    return outcome, evidence.canary.requests


def ours_by_the_minute(case: Case, looks: Iterator[Look]) -> Decided:
    return ours(case, minutes(looks), 1)


def thresholds(failure_limit: int) -> Judge:
    """Argo Rollouts: the canary's errors < 5 % and its p95 < 1.5 times the stable one; more failures are a fail."""

    def decide(_: Case, looks: Iterator[Look]) -> Decided:
        failures = requests = 0
        for canary, stable in islice(minutes(looks), PEERS_MINUTES):
            requests += canary.requests
            few_errors = canary.errors < 0.05 * canary.requests
            fast = np.quantile(canary.seconds, 0.95) < 1.5 * np.quantile(stable.seconds, 0.95)
            failures += not (few_errors and fast)
            if failures > failure_limit:
                return Outcome.FAIL, requests
        return Outcome.PASS, requests

    return decide


def failed_checks(_: Case, looks: Iterator[Look]) -> Decided:
    """Flagger: at least 99 % succeed and p99 <= 500 ms; five failed checks are a fail, ten good ones a pass."""
    failed = passed = requests = 0
    by_minute = minutes(looks)
    while failed < 5 and passed < PEERS_MINUTES:
        canary = next(by_minute)[0]
        requests += canary.requests
        good = canary.errors <= 0.01 * canary.requests and np.quantile(canary.seconds, 0.99) <= 0.5
        passed, failed = (passed + 1, failed) if good else (passed, failed + 1)
    return Outcome.FAIL if failed == 5 else Outcome.PASS, requests


JUDGES: dict[str, Judge] = {
    "ours, every 15 s": ours,
    "ours, every minute": ours_by_the_minute,
    "Argo-style, failureLimit 0": thresholds(0),
    "Argo-style, failureLimit 3": thresholds(3),
    "Flagger-style, threshold 5": failed_checks,
}


def decisions(case: Case, streams: int) -> dict[str, list[Decided]]:
    """By judge. Every judge sees the same requests."""
    return {
        name: [decide(case, stream(case, np.random.default_rng(seed))) for seed in range(streams)]
        for name, decide in JUDGES.items()
    }


def rate(decided: list[Decided], outcome: Outcome) -> str:
    return f"{100 * sum(one == outcome for one, _ in decided) / len(decided):.1f} %"


def needed(decided: list[Decided], outcome: Outcome) -> tuple[float, float]:
    """Median and 90th percentile of the canary requests until the outcome; infinite where it does not come."""
    requests = [count if one == outcome else math.inf for one, count in decided]
    median, late = np.quantile(requests, (0.5, 0.9), method="higher")
    return float(median), float(late)


def cells(by_judge: dict[str, list[Decided]], wrong: Outcome, right: Outcome) -> list[str]:
    """How often a judge is wrong, how many requests it needs to be right, and how many times ours."""
    first = needed(next(iter(by_judge.values())), right)[0]
    found = []
    for decided in by_judge.values():
        median, late = needed(decided, right)
        times = f"; {median / first:.1f}x" if math.isfinite(median) and math.isfinite(first) else ""
        found.append(f"{rate(decided, wrong)}; {median:.0f} / {late:.0f}{times}")
    return found


def both_rates(by_judge: dict[str, list[Decided]]) -> list[str]:
    return [f"{rate(decided, Outcome.FAIL)}; {rate(decided, Outcome.PASS)}" for decided in by_judge.values()]


def table(title: str, cases: list[Case], streams: int, row: Callable[[dict[str, list[Decided]]], list[str]]) -> None:
    print(f"\n{title}\n")
    print("| | " + " | ".join(JUDGES) + " |")
    print("| --- " * (len(JUDGES) + 1) + "|")
    for case in cases:
        print(f"| {case.name} | {' | '.join(row(decisions(case, streams)))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100, help="simulated canaries in each case")
    streams = parser.parse_args().streams
    needs = "canary requests until they {} (median / 90th percentile); how many times ours"
    table(
        f"Good canaries: how many fail; {needs.format('pass')}",
        GOOD,
        streams,
        lambda by_judge: cells(by_judge, Outcome.FAIL, Outcome.PASS),
    )
    table("At the very limit: how many fail; how many pass. For ours, either may be 5 %", AT_LIMIT, streams, both_rates)
    table(
        f"Bad canaries: how many pass; {needs.format('fail')}",
        BAD,
        streams,
        lambda by_judge: cells(by_judge, Outcome.PASS, Outcome.FAIL),
    )


if __name__ == "__main__":
    main()
