"""values.yaml, its schema and the table of the chart's README say the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[3] / "charts" / "afina"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def table(values: str) -> list[str]:
    """The rows of the README: each value with the comment above it."""
    rows: list[str] = []
    path: list[str] = []
    comment: list[str] = []
    for line in values.splitlines():
        if found := re.fullmatch(r" *# (.*)", line):
            comment.append(found[1])
        elif found := re.fullmatch(r"( *)(\w+):(?: (.+))?", line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if found[3]:
                rows.append(f"| `{'.'.join(path)}` | `{found[3]}` | {' '.join(comment)} |")
            comment = []
        else:
            comment = []
    return rows


def undescribed(values: Any, schema: Any, path: str = "") -> list[str]:
    """The values that the schema does not know, and the objects in it that take any key."""
    if "properties" not in schema:
        return []
    found = [] if schema.get("additionalProperties") is False else [f"{path} takes any key"]
    for name, value in values.items():
        if name not in schema["properties"]:
            found.append(f"{path}.{name} is not in the schema")
        elif isinstance(value, dict):
            found += undescribed(value, schema["properties"][name], f"{path}.{name}")
    return found + [f"{path}.{name} is not in values.yaml" for name in schema["properties"] if name not in values]


def test_readme_has_every_value_with_its_comment() -> None:
    readme = (CHART / "README.md").read_text()
    found = [line for line in readme.split("## Values")[1].splitlines() if line.startswith("| `")]
    rows = table((CHART / "values.yaml").read_text())
    assert found == rows, "the table under '## Values' should read:\n" + "\n".join(rows)


def test_readme_names_the_kubernetes_that_the_chart_asks_for() -> None:
    wanted = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    (named,) = re.findall(r"Needs Kubernetes (\S+) or later", (CHART / "README.md").read_text())
    assert wanted == f">={named}.0-0"


@pytest.mark.parametrize("row", table((CHART / "values.yaml").read_text()))
def test_every_value_has_a_comment(row: str) -> None:
    assert row.split(" | ")[2] != " |"


def test_schema_describes_every_value_and_refuses_any_other() -> None:
    own = {name: schema for name, schema in SCHEMA["properties"].items() if name != "global"}  # a parent chart's
    assert undescribed(VALUES, {**SCHEMA, "properties": own}) == []
