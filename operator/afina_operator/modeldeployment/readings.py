"""Reads the counters of the model servers, and tells what was counted between two looks.

A counter tells of all requests since its pod began; a look needs those since the last look. What was read last is kept
in memory, under the number of the look that it was read for: a look whose result could not be recorded is made again
upon the same. An operator that begins anew has read nothing, so its first look only begins to count: requests are
left out then, which costs time and never validity.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from afina_operator.judge import Total
from afina_operator.resources import Json, dig

_TIMEOUT_SECONDS = 2.0
_REQUESTS = "afina_model_requests_total"
_SECONDS = "afina_model_request_seconds_bucket"
_PREDICTIONS = "afina_model_predictions_total"
_DIFFERENCES = "afina_model_shadow_difference_bucket"
_DOUBTS, _DOUBTED = "afina_model_uncertainty_sum", "afina_model_uncertainty_count"
_MAX_BYTES = 1_000_000

Counts = Mapping[tuple[str, str], float]
"""Counters of a pod, by name and label value."""


@dataclass(frozen=True)
class Batch:
    """What one revision did between two looks."""

    codes: Mapping[str, int] = field(default_factory=dict)
    """Requests by HTTP status."""
    seconds: Mapping[float, int] = field(default_factory=dict)
    """Requests by the upper bound of the bucket that their latency fell into."""
    predictions: Mapping[str, int] = field(default_factory=dict)
    """Predictions by bin."""
    differences: Mapping[float, int] = field(default_factory=dict)
    """Rows that another revision was shown too, by the upper bound of how far its answer was from this one's."""
    uncertainty: Total = (0.0, 0)
    """Sum over the rows that have one, and how many they are."""
    counted: Mapping[str, Total] = field(default_factory=dict)
    """What others count, by the metric's name."""
    problem: str = ""
    """Why one of these is not there, for people."""


@dataclass(frozen=True)
class Told:
    """What others have counted of a revision so far, by the metric's name; what they do not tell is not there."""

    counted: Mapping[str, Total] = field(default_factory=dict)
    problem: str = ""
    """Why they do not tell it, for people."""


@dataclass(frozen=True)
class Reading:
    """What the pods of a revision said."""

    by_pod: Mapping[str, Counts]
    """By uid of the pod; those that did not answer are not there."""
    told: Told = Told()


@dataclass(frozen=True)
class _Known:
    """What was read last, whenever that was."""

    by_pod: Mapping[str, Counts] = field(default_factory=dict)
    counted: Mapping[tuple[str, str], Total] = field(default_factory=dict)
    """By revision and metric."""

    def after(self, now: Mapping[str, Reading]) -> "_Known":
        """A pod that does not answer now may answer next time: its counters go on from where they were."""
        pods = {pod: counts for reading in now.values() for pod, counts in reading.by_pod.items()}
        told = {
            (revision, name): total
            for revision, reading in now.items()
            for name, total in reading.told.counted.items()
            # Where hits are ahead of the total, the next look has both.
            if not _is_ahead(_since(self.counted.get((revision, name)), total))
        }
        return _Known({**self.by_pod, **pods}, {**self.counted, **told})

    def batch(self, revision: str, now: Reading) -> Batch:
        """What the revision did since."""
        grown = _grown(self.by_pod, now.by_pod)
        counted: dict[str, Total] = {}
        problems = [now.told.problem] if now.told.problem else []
        for name, total in now.told.counted.items():
            since = _since(self.counted.get((revision, name)), total)
            if since is None:
                problems.append(f"{name} begins to count now")
            elif _is_ahead(since):
                problems.append(f"hits of {name} grew by more than its total")
            else:
                counted[name] = since
        return Batch(
            codes=_by_label(grown, _REQUESTS),
            seconds=_per_bucket(grown, _SECONDS),
            predictions=_by_label(grown, _PREDICTIONS),
            differences=_per_bucket(grown, _DIFFERENCES),
            uncertainty=(grown[_DOUBTS, ""], int(grown[_DOUBTED, ""])),
            counted=counted,
            problem="; ".join(problems),
        )


@dataclass
class _Kept:
    """What was read for the looks of one rollout, by the number of the look."""

    rollout: str
    looks: dict[int, _Known] = field(default_factory=dict)


class Readings:
    """The last readings of every object that has a canary."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def forget(self, uid: str) -> None:
        """The object has no canary with traffic."""
        self._kept.pop(uid, None)

    def batches(self, uid: str, rollout: str, look: int, now: Mapping[str, Reading]) -> dict[str, Batch | None] | None:
        """What each revision did since the look before.

        Args:
            uid: of the object.
            rollout: what tells this rollout from others of the object.
            look: how many looks were recorded before this one.
            now: readings by revision.

        Returns:
            None where nothing was read for the look before: it begins to count now. A revision of which no pod
            answered has None.
        """
        kept = self._kept.get(uid)
        if kept is None or kept.rollout != rollout or look not in kept.looks:
            self._kept[uid] = _Kept(rollout, {look: _Known().after(now)})
            return None
        before = kept.looks[look]
        kept.looks = {look: before, look + 1: before.after(now)}
        return {name: before.batch(name, reading) if reading.by_pod else None for name, reading in now.items()}


def _grown(before: Mapping[str, Counts], now: Mapping[str, Counts]) -> defaultdict[tuple[str, str], float]:
    """Counters of all pods together. A new pod has counted from nothing."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for pod, counts in now.items():
        for key, value in _growth(before.get(pod, {}), counts).items():
            found[key] += value
    return found


def _growth(before: Counts, now: Counts) -> dict[tuple[str, str], float]:
    """A counter that is less than it was began anew, and with it all of its container's."""
    restarted = any(now.get(key, 0) < value for key, value in before.items())
    return {key: value - (0 if restarted else before.get(key, 0)) for key, value in now.items()}


def _since(before: Total | None, now: Total) -> Total | None:
    """None where it begins to count: for the first time, or as it is less than it was.

    Unlike a pod's counters, those of others are sums of we do not know what: of one that fell nobody can say by how
    much it grew, and one that is new may have counted for a year.
    """
    if before is None or now[0] < before[0] or now[1] < before[1]:
        return None
    return round(now[0] - before[0], 6), now[1] - before[1]  # the difference of two sums is rounded


def _is_ahead(grown: Total | None) -> bool:
    return grown is not None and grown[0] > grown[1]


def _by_label(grown: Counts, counter: str) -> dict[str, int]:
    return {label: int(count) for (name, label), count in grown.items() if name == counter}


def _per_bucket(grown: Counts, histogram: str) -> dict[float, int]:
    cumulative = {float(label): count for label, count in _by_label(grown, histogram).items()}
    found, below = {}, 0
    for bound in sorted(cumulative):
        found[bound], below = cumulative[bound] - below, cumulative[bound]
    return found


async def read(pods: Sequence[Json], port: int) -> Reading:
    """Ask the pods of a revision."""
    ready = [pod for pod in pods if dig(pod, "status", "podIP")]
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        answers = await asyncio.gather(*(_counts(session, pod, port) for pod in ready))
    known = zip(ready, answers, strict=True)
    return Reading({pod["metadata"]["uid"]: counts for pod, counts in known if counts is not None})


async def _counts(session: aiohttp.ClientSession, pod: Json, port: int) -> Counts | None:
    address = pod["status"]["podIP"]
    host = f"[{address}]" if ":" in address else address
    try:
        async with session.get(f"http://{host}:{port}/metrics") as response:
            text = await bounded(response.content, _MAX_BYTES)
            return parse(text) if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


async def bounded(content: aiohttp.StreamReader, limit: int) -> str:
    """The text of an answer.

    Raises:
        ValueError: it has more bytes than that, or is no UTF-8.
    """
    found = b""
    async for chunk in content.iter_chunked(65_536):
        found += chunk
        if len(found) > limit:
            raise ValueError(f"the answer has more than {limit} bytes")
    return found.decode()


def parse(text: str) -> Counts:
    """The counters that the judge needs, from the Prometheus text format.

    Raises:
        ValueError: it is no such text, or a counter is no number.
    """
    label = {_REQUESTS: "code", _SECONDS: "le", _PREDICTIONS: "bin", _DIFFERENCES: "le", _DOUBTS: "", _DOUBTED: ""}
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        known = [sample for sample in samples if sample.name in label]
        named = [(sample, label[sample.name]) for sample in known]
        found = {(sample.name, sample.labels[name] if name else ""): sample.value for sample, name in named}
    except (KeyError, IndexError) as error:  # the parser's, of some texts that are cut off
        raise ValueError(f"no metrics: {error!r}") from error
    if not all(math.isfinite(value) and value >= 0 for value in found.values()):
        raise ValueError("a counter is no number")
    return found
