"""Tells the rollout of a ModelDeployment what to do, and waits for what comes of it. Uses kubectl."""

import getpass
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from afina_api.modeldeployment import ROLLOUT_ANNOTATION, ROLLOUT_VERBS
from afina_jobs.cli.kubectl import KubectlError, get, kubectl, namespace_option

_PATIENCE_SECONDS = 30.0


class NotObeyedError(Exception):
    """Nothing was done; the message is the operator's."""


def tell(verb: str, name: str, namespace: str | None, reason: str) -> str:
    """Tell it, and wait for the outcome.

    Raises:
        KubectlError: it could not be told.
        NotObeyedError: what was said makes no sense as things are.
        TimeoutError: the operator has not answered.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"{verb} by={getpass.getuser()} at={now}" + (f" {reason}" if reason else "")
    kubectl("annotate", "modeldeployment", name, f"{ROLLOUT_ANNOTATION}={said}", "--overwrite", namespace=namespace)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status = get("modeldeployment", name, namespace=namespace).get("status", {})
        command = status.get("command", {})
        if command.get("text") == said:
            if not command.get("obeyed", True):
                raise NotObeyedError(command["outcome"])
            return str(command["outcome"])
        time.sleep(0.5)
    raise TimeoutError(f"told, but the operator has not answered within {_PATIENCE_SECONDS:g} s: does it run?")


def command(verb: str) -> click.Command:
    """The command of a verb."""

    def run(name: str, namespace: str | None, reason: Sequence[str]) -> None:
        try:
            click.echo(tell(verb, name, namespace, " ".join(reason)))
        except (KubectlError, NotObeyedError, TimeoutError) as error:
            raise click.ClickException(str(error)) from error

    parameters: list[click.Parameter] = [
        click.Argument(["name"]),
        click.Argument(["reason"], nargs=-1),
        namespace_option("ModelDeployment"),
    ]
    text = f"{ROLLOUT_VERBS[verb]}\n\nNAME is a ModelDeployment. Who, when and REASON are recorded in its status."
    return click.Command(verb, params=parameters, callback=run, help=text, short_help=ROLLOUT_VERBS[verb])
