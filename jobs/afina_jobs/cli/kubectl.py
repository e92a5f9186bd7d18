"""kubectl, which knows the user's cluster and how to log in to it."""

import json
import subprocess
from typing import Any

import click

Json = dict[str, Any]

TUNING_JOB = ("tuningjob", "tuningjobs", "tj")
"""The kind, as kubectl understands it."""


class KubectlError(Exception):
    """kubectl is not there, or refused; the message is its own."""


def kubectl(*arguments: str, namespace: str | None = None) -> str:
    """Call it; what it prints.

    Raises:
        KubectlError: it is not there, refused, or has not answered in a minute.
    """
    where = ["--namespace", namespace] if namespace else []
    try:
        done = subprocess.run(["kubectl", *arguments, *where], capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError:
        raise KubectlError("kubectl is not installed") from None
    except subprocess.TimeoutExpired:
        raise KubectlError(f"kubectl {arguments[0]} has not answered in a minute") from None
    except subprocess.CalledProcessError as error:
        raise KubectlError(error.stderr.strip()) from None
    return done.stdout


def get(kind: str, *arguments: str, namespace: str | None) -> Json:
    """An object, or a List of them.

    Raises:
        KubectlError: it does not exist, or kubectl failed.
    """
    found = json.loads(kubectl("get", kind, *arguments, "-o", "json", namespace=namespace))
    return dict(found)


def namespace_option(kind: str) -> click.Option:
    """The option that says which namespace an object of that kind is in."""
    return click.Option(["-n", "--namespace"], help=f"The {kind}'s namespace  [default: kubectl's]")
