"""Writes the reference page of every kind from its model: fields, defaults, bounds, reasons."""

import sys
from collections.abc import Iterator
from pathlib import Path

from afina_api import API_VERSION
from afina_api.crd import KINDS, Kind, Schema, structural
from afina_api.reasons import (
    AutoMLReason,
    DatasetReason,
    Documented,
    Reason,
    RejectReason,
    RetryReason,
    ServingReason,
    TrialReason,
)

_REASONS: dict[str, dict[str, type[Documented]]] = {
    "TuningJob": {
        "Reasons of the `Succeeded` condition": Reason,
        "Reasons of a failed trial": TrialReason,
        "Reasons why a trial was run again": RetryReason,
    },
    "Dataset": {"Reasons of the `Ready` condition": DatasetReason, "Reasons of a rejected row or image": RejectReason},
    "AutoMLJob": {"Reasons of the `Succeeded` condition": AutoMLReason},
    "ModelDeployment": {"Reasons of the conditions": ServingReason},
}

_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
    "pattern": "matches `{}`",
}


def page(kind: Kind) -> str:
    """The reference page of a kind, in Markdown."""
    schema = structural(kind.model)
    lines = [
        f"# {kind.name}",
        "",
        f"`{API_VERSION}`, short name `{kind.short}`. {schema['description']}",
        "",
        "Made by `make docs` from the models; do not edit.",
        "",
    ]
    for part in ("spec", "status"):
        lines += [f"## {part}", "", "| field | type | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
        lines += [*_rows(schema["properties"][part], part), ""]
    lines += ["## Rules", "", "What the API server refuses beside the bounds above, in its own words:", ""]
    lines += [*sorted({f"- {message}" for message in _rules(schema)}), ""]
    lines += ["## Columns of `kubectl get`", "", "| column | shows | only with `-o wide` |", "| --- | --- | --- |"]
    lines += [f"| {c.name} | `{c.path}` | {'yes' if c.priority else ''} |" for c in kind.columns]
    for title, reasons in _REASONS[kind.name].items():
        lines += ["", f"## {title}", "", "| reason | meaning |", "| --- | --- |"]
        lines += [f"| `{reason}` | {reason.meaning} |" for reason in reasons]
    return "\n".join(lines) + "\n"


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        items = field.get("items", {})
        here = f"{path}.{name}{'[]' if items else ''}"
        default = "**required**" if name in required else f"`{field['default']}`" if "default" in field else ""
        allowed = "; ".join([*_allowed(field), *(f"each {words}" for words in _allowed(items))])
        meaning = field.get("description", "").replace("\n", " ").replace("|", "\\|")
        yield f"| `{here}` | {_type(field)} | {default} | {allowed} | {meaning} |"
        yield from _rows(items or field, here)


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "string or integer"
    if "items" in field:
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))


def _allowed(field: Schema) -> Iterator[str]:
    if "enum" in field:
        yield ", ".join(f"`{value}`" for value in field["enum"])
    for key, words in _BOUNDS.items():
        if key in field and (key, field[key]) != ("minLength", 1):
            value = str(field[key]).replace("|", "\\|")
            yield words.replace("at least", "more than").format(value) if _is_open(key, field) else words.format(value)


def _is_open(key: str, field: Schema) -> bool:
    return key == "minimum" and bool(field.get("exclusiveMinimum"))


def _rules(schema: Schema) -> Iterator[str]:
    yield from (entry["message"] for entry in schema.get("x-kubernetes-validations", ()))
    for child in schema.get("properties", {}).values():
        yield from _rules(child)
    if isinstance(schema.get("items"), dict):
        yield from _rules(schema["items"])


def main(folder: Path) -> None:
    """Write the page of every kind into a folder, a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / f"{kind.name.lower()}.md").write_text(page(kind))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
