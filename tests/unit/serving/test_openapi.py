"""The document says what the server does, and the page says what the document does."""

import json
import shlex
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from afina_serving.app import Application
from afina_serving.openapi import document
from afina_serving.page import page
from support.model_servers import ModelServer
from support.slow_servers import Slow

Json = dict[str, Any]


@pytest.fixture(params=["classifier", "regressor", "ensemble_of_classes", "ensemble_of_numbers", "imager"])
def server(request: pytest.FixtureRequest) -> ModelServer:
    found: ModelServer = request.getfixturevalue(request.param)
    return found


def the_document(server: ModelServer) -> Json:
    found: Json = server.get("/openapi.json").json
    return found


def require_valid(about: Json, schema: Json, value: object) -> None:
    Draft202012Validator(schema | {"components": about["components"]}).validate(value)


def test_the_document_is_valid(server: ModelServer) -> None:
    OpenAPIV31SpecValidator(the_document(server)).validate()


def test_the_examples_are_answered_as_the_document_says(server: ModelServer) -> None:
    about = the_document(server)
    asked = 0
    for path, methods in about["paths"].items():
        for method, operation in methods.items():
            if method == "post":
                content = operation["requestBody"]["content"]["application/json"]
                require_valid(about, content["schema"], content["example"])
                found = server.post(path, content["example"])
            else:
                found = server.get(path)
            assert found.status == 200, path
            ((kind, expected),) = operation["responses"]["200"]["content"].items()
            assert found.headers["content-type"].startswith(kind)
            require_valid(
                about, expected["schema"], found.json if kind == "application/json" else found.content.decode()
            )
            asked += 1
    assert asked == 11


def test_what_the_server_refuses_is_not_in_the_schema(classifier: ModelServer) -> None:
    about = the_document(classifier)
    wrong: Json = {"rows": [{"gardens": True}]}
    assert classifier.post("/predict", wrong).status == 422
    schema = about["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    with pytest.raises(Exception, match="'gardens' was unexpected"):
        require_valid(about, schema, wrong)
    assert about["components"]["schemas"]["Row"]["properties"]["area"] == {"type": ["number", "null"]}


def test_every_path_is_in_the_document(slow: Slow) -> None:
    routes = [str(getattr(route, "path", route)) for route in Application(slow.service).routes]
    paths = {path.replace("{name}", "houses").replace("{version}", "3") for path in routes}
    assert paths - {"/openapi.json", "/docs"} == document(slow.model)["paths"].keys()


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attributes if name in ("href", "src")}
        self.places |= {f"#{value}" for name, value in attributes if name == "id"}

    def handle_data(self, text: str) -> None:
        self.text += f"{text}\n"


def test_the_page_shows_the_document_and_needs_nothing_else(server: ModelServer) -> None:
    about = the_document(server)
    found = server.get("/docs")
    assert found.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in found.headers["content-security-policy"]
    shown = Page(found.content.decode())
    assert shown.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert shown.places == {f"#{name}" for name in about["components"]["schemas"]}
    assert shown.links <= shown.places | {"openapi.json"}
    assert {"#PredictRequest", "#Row", "#Prediction"} <= shown.links
    for path, methods in about["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in shown.text.splitlines()


def test_names_of_columns_are_neither_html_nor_shell(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow.model, "types", {"<script>": "Numeric", "it's": "Categorical"})
    shown = Page(page(document(slow.model)))
    assert "script" not in shown.tags
    command = next(line for line in shown.text.splitlines() if "/predict" in line and "curl" in line)
    assert json.loads(shlex.split(command)[-1]) == {"rows": [{"<script>": 1.5, "it's": "text"}]}
