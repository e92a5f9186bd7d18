"""Makes a CustomResourceDefinition of a kind's model.

Kubernetes takes only *structural* schemas: no `$ref`, no `anyOf` with null, no `additionalProperties` beside
`properties` (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions).
Pydantic writes all three, so its schema is rewritten here.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from afina_api import GROUP, VERSION
from afina_api.automljob import AutoMLJob
from afina_api.base import Model
from afina_api.dataset import Dataset
from afina_api.modeldeployment import ModelDeployment
from afina_api.policy import policies
from afina_api.tuningjob import TuningJob

Schema = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; those of priority 1 show with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0

    def as_json(self) -> Schema:
        """The column as `additionalPrinterColumns` wants it."""
        return {"name": self.name, "type": self.type, "jsonPath": self.path, "priority": self.priority}


@dataclass(frozen=True)
class Kind:
    """A custom resource: its model, its names and what `kubectl get` shows of it."""

    model: type[Model]
    plural: str
    short: str
    columns: tuple[Column, ...]
    has_scale: bool = False
    """Whether its replicas can be set through the scale subresource."""

    @property
    def name(self) -> str:
        """The kind, such as `TuningJob`."""
        return self.model.__name__


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    Kind(
        TuningJob,
        "tuningjobs",
        "tj",
        (
            Column("Best", ".status.summary.best"),
            Column("Trials", ".status.summary.trials"),
            Column("Running", ".status.trials.running", "integer"),
            Column("Reason", '.status.conditions[?(@.type=="Succeeded")].reason'),
            _AGE,
            Column("Failed", ".status.trials.failed", "integer", 1),
            Column("Pruned", ".status.trials.pruned", "integer", 1),
            Column("Algorithm", ".spec.algorithm.name", "string", 1),
            Column("Message", '.status.conditions[?(@.type=="Succeeded")].message', "string", 1),
        ),
    ),
    Kind(
        Dataset,
        "datasets",
        "mlds",
        (
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            Column("Rows", ".status.rows", "integer"),
            Column("Columns", ".status.columns", "integer"),
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
            _AGE,
            Column("Format", ".spec.format", "string", 1),
            Column("Digest", ".status.digest", "string", 1),
            Column("Message", '.status.conditions[?(@.type=="Ready")].message', "string", 1),
        ),
    ),
    Kind(
        AutoMLJob,
        "automljobs",
        "aml",
        (
            Column("Dataset", ".spec.datasetRef.name"),
            Column("Best", ".status.summary.best"),
            Column("Models", ".status.summary.models"),
            Column("Reason", '.status.conditions[?(@.type=="Succeeded")].reason'),
            _AGE,
            Column("Target", ".spec.target", "string", 1),
            Column("Registered", ".status.model.version", "string", 1),
            Column("Message", '.status.conditions[?(@.type=="Succeeded")].message', "string", 1),
        ),
    ),
    Kind(
        ModelDeployment,
        "modeldeployments",
        "mldep",
        (
            Column("Stable", ".status.summary.stable"),
            Column("Canary", ".status.summary.canary"),
            Column("Weight", ".status.weight", "integer"),
            Column("Step", ".status.summary.step"),
            Column("Verdict", ".status.rollout.verdict"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _AGE,
            Column("Replicas", ".status.replicas", "integer", 1),
            Column("Progress", '.status.conditions[?(@.type=="Progressing")].reason', "string", 1),
            Column("Address", ".status.address", "string", 1),
            Column("Message", '.status.conditions[?(@.type=="Ready")].message', "string", 1),
        ),
        has_scale=True,
    ),
)

_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def crd(kind: Kind) -> Schema:
    """The CustomResourceDefinition of a kind, as a JSON object."""
    schema = structural(kind.model)
    # The API server fills these three itself and refuses any constraint on them.
    schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    schema["properties"]["metadata"] = {"type": "object"}
    schema["required"] = ["spec"]
    singular = kind.name.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": singular,
                "shortNames": [kind.short],
                "categories": ["afina"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}, **({"scale": _SCALE} if kind.has_scale else {})},
                    "additionalPrinterColumns": [column.as_json() for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def structural(model: type[Model]) -> Schema:
    """The structural schema of a model: references inlined, null dropped, bounds in OpenAPI 3.0's words."""
    document = model.model_json_schema(by_alias=True)
    definitions = document.pop("$defs", {})
    found: Schema = _rewrite(document, definitions)
    return found


def _rewrite(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_rewrite(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _rewrite({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    node = {key: value for key, value in node.items() if key != "title"}
    if "anyOf" in node:
        # "x or null" is how pydantic says optional; absence says it in Kubernetes.
        (only,) = [choice for choice in node.pop("anyOf") if choice != {"type": "null"}]
        return _rewrite({**only, **node}, definitions)
    if node.get("default", "set") is None:
        del node["default"]
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "exclusiveMinimum" in node:
        node |= {"minimum": node["exclusiveMinimum"], "exclusiveMinimum": True}
    if node.get("type") == "integer":
        node["format"] = "int64"
    if "properties" in node:
        node.pop("additionalProperties", None)
        node["properties"] = {name: _rewrite(child, definitions) for name, child in node["properties"].items()}
    return {
        key: value if key in ("properties", "default") else _rewrite(value, definitions) for key, value in node.items()
    }


def to_yaml(document: Schema) -> str:
    """The document as YAML, in the order of its keys, with a line that tells where it comes from."""
    body = yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)
    return f"# Made by `make crds` from api/afina_api; do not edit.\n{body}"


def main(folder: Path) -> None:
    """Write the CRDs and the policies into a folder each, a file for each object."""
    written = {"crds": {f"{GROUP}_{kind.plural}.yaml": crd(kind) for kind in KINDS}, "policies": policies()}
    for name, documents in written.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, document in documents.items():
            (folder / name / file).write_text(to_yaml(document))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
