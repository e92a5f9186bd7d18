"""The OpenAPI document as a page for people, which needs nothing but itself."""

import json
import re
from html import escape

from afina_serving.schemas import PLACE, Json

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""A browser that shows the page runs no script and fetches nothing."""

_STYLE = (
    "body { font: 16px/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }"
    "pre { background: #eee; padding: 1em; overflow: auto }"
)
_REFERENCE = re.compile(f"&quot;{PLACE}(\\w+)&quot;")
_LINK = r'<a href="#\1">\1</a>'


def page(document: Json) -> str:
    """The page, as HTML."""
    about = document["info"]
    title = escape(f"{about['title']}, version {about['version']}")
    operations = [
        _operation(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [
        f'<h3 id="{escape(name)}">{escape(name)}</h3><pre>{_linked(json.dumps(schema, indent=2))}</pre>'
        for name, schema in document["components"]["schemas"].items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f'<h1>{title}</h1><p>{escape(about["description"])} <a href="openapi.json">openapi.json</a>'
        f"{''.join(operations)}<h2>Schemas</h2>{''.join(schemas)}</html>"
    )


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [f"<h2>{method} {escape(path)}</h2><p>{escape(operation['summary'])}"]
    if body := operation.get("requestBody"):
        commands = [_command(path, kind, content) for kind, content in body["content"].items()]
        parts.append(f"<pre>\n{escape(chr(10).join(commands))}\n</pre><p>Request: {_kinds(body)}")
    for status, response in operation["responses"].items():
        parts.append(f"<p>{status}: {_kinds(response)} {escape(response['description'])}")
    return "".join(parts)


def _command(path: str, kind: str, content: Json) -> str:
    """How to send a request of this kind."""
    if "example" not in content:
        return f'curl "$SERVER{path}" -H "Content-Type: {kind}" --data-binary @FILE'
    # As a shell's text: a quote in it ends it, stands by itself, and begins it anew.
    example = json.dumps(content["example"]).replace("'", "'\\''")
    return f"curl \"$SERVER{path}\" -d '{example}'"


def _kinds(message: Json) -> str:
    """What a request or a response is made of."""
    return _linked(
        ", ".join(json.dumps(content["schema"].get("$ref", kind)) for kind, content in message["content"].items())
    )


def _linked(text: str) -> str:
    """A text whose references are links."""
    return _REFERENCE.sub(_LINK, escape(text))
