"""`afina explain`: reads an object and what is around it, and tells why it is as it is."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

from afina_jobs.cli.kubectl import KubectlError, get, kubectl, namespace_option
from afina_jobs.explain import rules
from afina_jobs.explain.facts import KINDS, Explanation, Facts, Json, dig, is_of_ray, statuses, when

_CHILDREN = "jobs,pods,persistentvolumeclaims,deployments,replicasets"
_LOG_LINES = 1000


class _Kind(click.ParamType[str]):
    """A kind, as kubectl understands it: `tuningjob`, `tuningjobs`, `tj`."""

    name = "kind"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = {kind: (kind.lower(), f"{kind.lower()}s", words.short) for kind, words in KINDS.items()}
        found = next((kind for kind, words in names.items() if value.lower() in words), None)
        return found or self.fail(f"{value!r} is none of {', '.join(map(str.lower, KINDS))}", param, ctx)


@click.command(params=[namespace_option("object")])
@click.argument("kind", type=_Kind())
@click.argument("name")
def explain(kind: str, name: str, namespace: str | None) -> None:
    """Tell why an object is as it is: the cause, the evidence, the next step.

    KIND is tuningjob, automljob, dataset or modeldeployment. The object is read, what was made for it, Events about
    them and the end of the log, with the rights that kubectl has.
    """
    try:
        facts = gather(kind, name, namespace)
    except KubectlError as error:
        raise click.ClickException(str(error)) from error
    click.echo(told(facts, rules.explain(facts)))


def gather(kind: str, name: str, namespace: str | None) -> Facts:
    """Read the object, what was made for it, warnings about them, and the end of the log.

    Raises:
        KubectlError: the object does not exist, or something may not be read.
    """
    obj = get(kind.lower(), name, "--show-managed-fields", namespace=namespace)
    where, selector = obj["metadata"]["namespace"], ("--selector", f"afina.dev/{kind.lower()}={name}")
    found = get(_CHILDREN, *selector, namespace=where)["items"]
    if dig(obj, "spec", "execution", "workers"):
        found += _ray_clusters(selector, where)
    pods = sorted((one for one in found if one["kind"] == "Pod"), key=_made)
    children = [one for one in found if one["kind"] != "Pod"]
    return Facts(obj, datetime.now(UTC), children, pods, _warnings([obj, *found], where), _log(pods, where))


def _made(obj: Json) -> str:
    return str(obj["metadata"]["creationTimestamp"])


def _ray_clusters(selector: Iterable[str], namespace: str) -> list[Json]:
    try:
        return list(get("rayclusters.ray.io", *selector, namespace=namespace)["items"])
    except KubectlError:  # KubeRay is not installed: the condition says so
        return []


def _warnings(about: Sequence[Json], namespace: str) -> list[Json]:
    events = get("events", "--field-selector", "type=Warning", namespace=namespace)["items"]
    uids = {one["metadata"]["uid"] for one in about}
    own = (event for event in events if dig(event, "involvedObject", "uid") in uids)
    return sorted(own, key=when)


def _log(pods: Sequence[Json], namespace: str) -> list[str]:
    """The last lines of the last pod that has run: of its last life, where it is started again and again.

    Of a driver or a model server: a driver tells of the trials on workers, too.
    """
    for pod in (one for one in reversed(pods) if not is_of_ray(one)):
        for one in statuses(pod):
            again = dig(one, "state", "waiting") and dig(one, "lastState", "terminated")
            if again or dig(one, "state", "running") or dig(one, "state", "terminated"):
                arguments = ["--container", one["name"], f"--tail={_LOG_LINES}", *(["--previous"] if again else [])]
                return _lines(pod["metadata"]["name"], arguments, namespace)
    return []


def _lines(pod: str, arguments: Iterable[str], namespace: str) -> list[str]:
    try:
        return kubectl("logs", pod, *arguments, namespace=namespace).splitlines()
    except KubectlError:  # the node is gone, or logs may not be read: what is there must do
        return []


def told(facts: Facts, found: Explanation) -> str:
    """The explanation in three parts."""
    state = facts.summary.get("reason", "not seen by the operator")
    first, *more = found.evidence
    lines = [
        f"{facts.obj['kind']} {facts.name}: {state}",
        f"  cause     {found.cause}",
        f"  evidence  {first}",
        *(f"            {line}" for line in more),
        f"  next      {found.next_step}",
    ]
    return "\n".join(lines)
