"""For how many trials at a time the pods were made, and whether the spec asks for as many by now.

Neither the pods of a Job nor those of a Ray cluster can be made larger. What is too small is made anew. What is too
large stays, since it harms nobody; but where it still waits for so much room, it is made anew, too: so that who has
asked for too much can take it back.
"""

from collections.abc import Mapping

from afina_operator.driver import pods
from afina_operator.driver.observe import Observed
from afina_operator.resources import JOBS, RAY_CLUSTERS, Json, Resource, dig

SLOTS = "AFINA_SLOTS"
"""The driver's variable that says how many trials at a time its pod, or its Ray cluster, was made for."""


def unfit(observed: Observed, child: Json | None, desired: Mapping[Resource, Json]) -> list[Json]:
    """What must be made anew, of the Job and its Ray cluster; not what is on its way out already.

    Args:
        observed: what is there.
        child: the Job, if there is one.
        desired: the children as they should be.
    """
    cluster = observed.children.get(RAY_CLUSTERS) if RAY_CLUSTERS in desired else None
    made, wanted = _of_cluster(cluster), _of_cluster(desired.get(RAY_CLUSTERS))
    small_cluster = cluster is not None and _is_unfit(made, wanted, waits=_has_no_worker(cluster))
    small_job = child is not None and _is_unfit(
        of_job(child), of_job(desired[JOBS]), waits=_has_no_driver(observed, child)
    )
    # The driver first, and also where the cluster alone is unfit: it hands its trials over before they are lost.
    found = [child if small_job or small_cluster else None, cluster if small_cluster else None]
    return [one for one in found if one is not None and not dig(one, "metadata", "deletionTimestamp")]


def _is_unfit(made: int | None, wanted: int | None, *, waits: bool) -> bool:
    if made is None or wanted is None:
        return False
    return made < wanted or (made > wanted and waits)


def of_job(job: Json) -> int | None:
    """How many trials at a time the Job was made for; None where it does not say."""
    entries = dig(job, "spec", "template", "spec", "containers", 0, "env")
    given = entries if isinstance(entries, list) else []
    return _number(next((dig(one, "value") for one in given if dig(one, "name") == SLOTS), None))


def _of_cluster(cluster: Json | None) -> int | None:
    return _number(dig(cluster, "spec", "workerGroupSpecs", 0, "rayStartParams", "num-cpus"))


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isdecimal() else None


def _has_no_driver(observed: Observed, job: Json) -> bool:
    """Whether the Job waits to be let run, or has made a pod that has not started."""
    own = pods.of_job(observed.pods, job)
    starts = own and not (pods.is_running(own[-1]) or pods.ended(own[-1]) or pods.end(own[-1]))
    return bool(starts or dig(job, "spec", "suspend"))


def _has_no_worker(cluster: Json) -> bool:
    return not dig(cluster, "status", "readyWorkerReplicas")
