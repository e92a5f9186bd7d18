"""Log lines as JSON, one an event, each naming the object that it speaks of."""

import logging

import kopf

from afina_operator.resources import Ref


def configure(level: str) -> None:
    """Log to standard error from that level on. kopf's own lines only where something is wrong."""
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger().setLevel(level.upper())
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("asyncio").propagate = True


def about(target: Ref) -> dict[str, object]:
    """The `extra` of a log line: the object, as kopf names it too."""
    resource, namespace, name = target
    named = {"apiVersion": resource.api_version, "kind": resource.kind, "namespace": namespace, "name": name}
    return {"k8s_ref": named}
