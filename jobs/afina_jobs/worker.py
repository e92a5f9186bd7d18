"""The other side of a Python trial: a process that loads the function once and calls it for trial after trial.

It speaks JSON lines with the driver over a socket of its own, so that the function may print what it likes. First
comes the order of what to load, then one request a trial. It is started with `-P`, so that a user's file
named like a module of the standard library cannot take that module's place before the function is loaded.
"""

import contextlib
import importlib
import json
import operator
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

Objective = Callable[[dict[str, Any], "Trial"], object]
_MAX_TEXT = 1000
_MAX_METRICS = 200
_MAX_STEP = 2**31 - 1


class Trial:
    """What the objective is given beside its parameters."""

    def __init__(self, number: int, checkpoint_dir: Path, metrics: Sequence[str], replies: TextIO) -> None:
        self.number = number
        """Number of the trial, from 0."""
        self.checkpoint_dir = checkpoint_dir
        """A folder of the trial's own. When the process, its pod or its node is lost, the trial is run again and finds
        there what it had written. Write whole files: to another name first, then `os.replace`."""
        self._metrics = metrics
        self._replies = replies

    def report(self, value: float | Mapping[str, float], step: int) -> None:
        """Tell an intermediate value, or metrics by name; a trial that looks bad is ended here.

        Raises:
            TypeError, ValueError: the value is no number, or not of each objective; or the step no whole number from 0.
        """
        whole = operator.index(step)
        if not 0 <= whole <= _MAX_STEP:
            raise ValueError(f"step must be from 0 to {_MAX_STEP}: got {whole}")
        found = value if isinstance(value, Mapping) else {self._metrics[0]: value}
        for metric in self._metrics:
            if metric not in found:
                every = ", ".join(f"{name!r}: ..." for name in self._metrics)
                raise ValueError(f"{metric!r} is missing: report {{{every}}} at each step")
        _send(self._replies, {"step": whole, "values": [float(found[metric]) for metric in self._metrics]})


def main() -> None:
    """Serve trials until the driver hangs up."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    with connection, connection.makefile("r") as requests, connection.makefile("w") as replies:
        order = json.loads(requests.readline())
        objective = _load(order, replies)
        for line in requests:
            request = json.loads(line)
            trial = Trial(request["number"], Path(request["checkpoint"]), order["metrics"], replies)
            reply = _evaluate(objective, request["params"], trial)
            with contextlib.suppress(ValueError, OSError):  # it may have closed them
                sys.stdout.flush()
                sys.stderr.flush()
            _send(replies, reply)


def _load(order: dict[str, Any], replies: TextIO) -> Objective:
    """Import the function; an order with arguments names a function that makes the objective from them."""
    sys.path.insert(0, os.getcwd())
    module_name, _, function_name = order["entrypoint"].partition(":")
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, function_name)
        objective: Objective = found if order["arguments"] is None else found(**order["arguments"])
        if not callable(objective):
            raise TypeError(f"{function_name!r} is not a function")
    except BaseException as error:
        traceback.print_exc()
        _send(replies, {"invalid": _describe(error)})
        sys.exit(1)
    _send(replies, {"ready": True})
    return objective


def _evaluate(objective: Objective, params: dict[str, Any], trial: Trial) -> dict[str, Any]:
    try:
        return {"metrics": _plain(objective(params, trial))}
    except BaseException as error:
        traceback.print_exc()
        return {"exception": _describe(error)}


def _plain(result: object) -> object:
    """The result as JSON: a number, or metrics by name. What is no number becomes its description."""
    if isinstance(result, Mapping):
        return {str(name)[:_MAX_TEXT]: _number(value) for name, value in list(result.items())[:_MAX_METRICS]}
    return None if result is None else _number(result)


def _number(value: Any) -> float | str:
    """Also numpy's and torch's numbers have a float in them; text has none."""
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return repr(value)[:_MAX_TEXT]


def _describe(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()[:_MAX_TEXT]


def _send(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
