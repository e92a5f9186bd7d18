"""Says in a person's words what pydantic finds wrong with an object."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from afina_api.base import Model
from afina_api.crd import structural
from afina_jobs.specfile.yamllines import Document, Path, Problem, field

_MAX_SHOWN = 60
"""Characters of a wrong value that are shown."""


def problems_of(error: ValidationError, document: Document, model: type[Model]) -> list[Problem]:
    """The errors with their lines, one for each field."""
    messages: dict[tuple[str | int, ...], list[str]] = {}
    for detail in error.errors(include_url=False):
        path = _path_in(document.data, detail)
        messages.setdefault(path, []).append(_message(detail, path, model))
    return [Problem(document.line(path), field(path), _join(found)) for path, found in messages.items()]


def _path_in(data: Any, detail: ErrorDetails) -> tuple[str | int, ...]:
    """The part of the error's location that is in the document: pydantic adds the names of a union's members."""
    found: list[str | int] = []
    for part in detail["loc"]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return (*found, part) if detail["type"] == "missing" else tuple(found)
        found.append(part)
    return tuple(found)


def _message(detail: ErrorDetails, path: Path, model: type[Model]) -> str:
    kind, message = detail["type"], detail["msg"]
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return _unknown(path, model)
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    return f"{_lower(message.replace('Input should', 'must'))}, got {_shown(detail['input'])}"


def _unknown(path: Path, model: type[Model]) -> str:
    allowed = sorted(_fields(path[:-1], model))
    close = difflib.get_close_matches(str(path[-1]), allowed, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"there is no such field; {hint}Allowed: {', '.join(allowed)}"


def _fields(path: Path, model: type[Model]) -> Iterable[str]:
    """Names of the fields of the object at a path, by the schema of the kind."""
    schema: Mapping[str, Any] = structural(model)
    for part in path:
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
    names: Iterable[str] = schema.get("properties", {})
    return names


def _join(messages: list[str]) -> str:
    """One message of several for one value: each member of a union has its say."""
    first, *others = (message.partition(", got ") for message in messages)
    return " or ".join([first[0], *(other[0].removeprefix("must be ") for other in others)]) + first[1] + first[2]


def _shown(value: object) -> str:
    words = repr(value)
    return words if len(words) <= _MAX_SHOWN else f"{words[:_MAX_SHOWN]}…"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
