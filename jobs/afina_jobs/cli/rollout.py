"""Tells the rollout of a ModelDeployment what to do, and waits for what comes of it. Uses kubectl."""

import getpass
import json
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from afina_api.modeldeployment import ROLLOUT_ANNOTATION, ROLLOUT_VERBS

_PATIENCE_SECONDS = 30.0


class NotObeyedError(Exception):
    """Nothing was done; the message is the operator's."""


class KubectlError(Exception):
    """kubectl is not there, or refused; the message is its own."""


def tell(verb: str, name: str, namespace: str | None, reason: str) -> str:
    """Tell it, and wait for the outcome.

    Raises:
        KubectlError: it could not be told.
        NotObeyedError: what was said makes no sense as things are.
        TimeoutError: the operator has not answered.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"{verb} by={getpass.getuser()} at={now}" + (f" {reason}" if reason else "")
    where = ["--namespace", namespace] if namespace else []
    _kubectl("annotate", "modeldeployment", name, f"{ROLLOUT_ANNOTATION}={said}", "--overwrite", *where)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status = json.loads(_kubectl("get", "modeldeployment", name, "-o", "json", *where)).get("status", {})
        command = status.get("command", {})
        if command.get("text") == said:
            if not command.get("obeyed", True):
                raise NotObeyedError(command["outcome"])
            return str(command["outcome"])
        time.sleep(0.5)
    raise TimeoutError(f"told, but the operator has not answered within {_PATIENCE_SECONDS:g} s: does it run?")


def _kubectl(*arguments: str) -> str:
    try:
        done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError:
        raise KubectlError("kubectl is not installed") from None
    except subprocess.CalledProcessError as error:
        raise KubectlError(error.stderr.strip()) from None
    return done.stdout


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
        click.Option(["-n", "--namespace"], help="The ModelDeployment's namespace  [default: kubectl's]"),
    ]
    text = f"{ROLLOUT_VERBS[verb]}\n\nNAME is a ModelDeployment. Who, when and REASON are recorded in its status."
    return click.Command(verb, params=parameters, callback=run, help=text, short_help=ROLLOUT_VERBS[verb])
