"""The generated CRDs are structural, bounded, and the ones in the chart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afina_api import GROUP
from afina_api.crd import KINDS, Kind, crd, to_yaml
from afina_api.policy import policies

CHART = Path(__file__).parents[3] / "charts/afina/files"


def _nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


def _schema(kind: Kind) -> dict[str, Any]:
    schema: dict[str, Any] = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_chart_has_the_generated_crd(kind: Kind) -> None:
    assert (CHART / "crds" / f"{GROUP}_{kind.plural}.yaml").read_text() == to_yaml(crd(kind)), "run `make crds`"


@pytest.mark.parametrize("file", policies())
def test_chart_has_the_generated_policies(file: str) -> None:
    assert (CHART / "policies" / file).read_text() == to_yaml(policies()[file]), "run `make crds`"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_schema_has_nothing_that_is_not_structural(kind: Kind) -> None:
    for path, node in _nodes(_schema(kind)):
        assert not node.keys() & {"$ref", "anyOf", "oneOf", "const", "title"}, path
        assert not {"properties", "additionalProperties"} <= node.keys(), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_described(kind: Kind) -> None:
    for path, node in _nodes(_schema(kind)["properties"]["spec"]):
        if not path.endswith("[]"):
            assert node.get("description"), path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_list_string_and_number_of_the_spec_is_bounded(kind: Kind) -> None:
    unbounded_numbers = {".parameters[].float.min", ".parameters[].float.max", ".parameters[].float.step"}
    unbounded_numbers |= {".objectives[].target", ".validation[].min", ".validation[].max"}
    pruning = (".pruning.threshold", ".pruning.patient.pruner.threshold")
    unbounded_numbers |= {f"{path}.{bound}" for path in pruning for bound in ("lower", "upper")}
    unbounded_numbers |= {".constraints[].min", ".constraints[].max"}
    unbounded_numbers |= {".pruning.patient.minDelta", ".budget.acceptableRegret"}
    unbounded_numbers |= {".limits.min", ".limits.max", ".promotion.thresholds[].value"}
    for path, node in _nodes(_schema(kind)["properties"]["spec"]):
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "string":
            assert "maxLength" in node or "enum" in node, path
        if node.get("type") in ("integer", "number") and path not in unbounded_numbers:
            assert {"minimum", "maximum"} <= node.keys(), path
