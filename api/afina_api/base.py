"""What all kinds share: the strict base model, Kubernetes' own small types, and how a CEL rule is written."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAX_SAFE_INTEGER = 2**53 - 1
"""Integers beyond it lose digits in JavaScript, jq and every other reader that knows only doubles."""


class Model(BaseModel):
    """A frozen model that refuses unknown fields; `snake_case` here is `camelCase` in YAML."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[dict[str, str], ...]] = ()
    """CEL rules that the API server checks on this object; the model's validators say the same in Python."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler.resolve_ref_schema(handler(schema))
        words = _words(cls)
        for name, field in cls.model_fields.items():
            if name in words:
                found["properties"][field.alias]["description"] = words[name]
            # The API server fills defaults only into objects that are there, so an absent one defaults to {}.
            if isinstance(field.default_factory, type) and issubclass(field.default_factory, Model):
                found["properties"][field.alias]["default"] = {}
        return found | {"x-kubernetes-validations": list(cls.rules)} if cls.rules else found


def _words(model: type[Model]) -> dict[str, str]:
    """The text below each field of a model and its bases, by the field's name.

    Pydantic can do it, but reads and parses the source of every model whenever it is imported: a tenth of a second.
    """
    found = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, Model):
            (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
            for statement, text in itertools.pairwise(cast(ast.ClassDef, definition).body):
                match statement, text:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                        found[name] = inspect.cleandoc(words)
    return found


def rule(expression: str, message: str, *, field: str | None = None) -> dict[str, str]:
    """A CEL validation rule of a CRD.

    Args:
        expression: CEL over `self` (and `oldSelf`, which makes it a transition rule).
        message: what the user reads when it is false: what is wrong and what to do.
        field: path of the field to blame, relative to the object that carries the rule, such as `.min`.
    """
    found = {"rule": expression, "message": message}
    return found | {"fieldPath": field} if field else found


def fixed_after_start(kind: str, field: str) -> dict[str, str]:
    """The rule that a field of the spec stays as it is once `status.startTime` is set."""
    same = f"has(self.spec.{field}) == has(oldSelf.spec.{field})"
    same += f" && (!has(self.spec.{field}) || self.spec.{field} == oldSelf.spec.{field})"
    return rule(
        f"!({STARTED}) || ({same})",
        f"{field} cannot change after the job has started: create another {kind}",
        field=f".spec.{field}",
    )


STARTED = "has(oldSelf.status) && has(oldSelf.status.startTime)"
"""CEL, on the root of an object: its Job was created."""

FINISHED = "has(oldSelf.status) && has(oldSelf.status.completionTime)"
"""CEL, on the root of an object: it has ended."""


DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
"""RFC 1123 label: the name of most namespaced objects."""

DnsSubdomain = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", min_length=1, max_length=253
    ),
]
"""RFC 1123 subdomain: the name of a ConfigMap, a Secret, a StorageClass."""

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    StringConstraints(pattern=_QUANTITY, min_length=1, max_length=20),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": _QUANTITY, "maxLength": 20}),
]
"""A Kubernetes quantity that is not negative, such as `500m`, `1Gi` or `2`."""

Scalar = Annotated[
    str | int | float | bool | None,
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True}),
]
"""A value of any scalar type: numbers stay numbers."""


class LocalReference(Model):
    """Names an object in the same namespace. References never cross namespaces."""

    name: DnsSubdomain
    """Name of the object."""


class Compute(Model):
    """Processors and memory."""

    cpu: Quantity = "500m"
    """Processors."""
    memory: Quantity = "1Gi"
    """Memory."""


class Resources(Compute):
    """What one trial may use. The pod gets it once for each parallel trial, and a little for the driver."""

    gpu: Annotated[int, Field(ge=0, le=64)] = 0
    """Whole GPUs (nvidia.com/gpu)."""


class Volume(Model):
    """A volume of the object's own."""

    size: Quantity = "1Gi"
    """Size asked of the storage class."""
    storage_class_name: DnsSubdomain | None = None
    """Storage class; unset: the cluster's default."""


class Tracking(Model):
    """Where the job's runs are in MLflow."""

    experiment_id: Annotated[str, Field(max_length=64)]
    """The experiment."""
    run_id: Annotated[str, Field(max_length=64)]
    """The job's own run; its trials are nested in it, its plots are its artifacts."""


class Condition(Model):
    """One aspect of the object's state, after metav1.Condition."""

    type: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]*$", min_length=1, max_length=63)]
    """Which aspect, such as `Succeeded`."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]*$", min_length=1, max_length=63)]
    """Why, as one documented CamelCase word."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """Why, for people: the cause and what to do about it."""
    last_transition_time: AwareDatetime
    """When `status` last changed."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this speaks of."""


class Status(Model):
    """What the operator observed, whatever the kind."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that the conditions speak of."""
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=8,
            default_factory=list,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ]
    """Aspects of the state: the one that sums it up (Succeeded or Ready), Running, Suspended."""
    start_time: AwareDatetime | None = None
    """When the Job was first created to run."""
    completion_time: AwareDatetime | None = None
    """When it ended, for good or ill."""


class Metadata(Model):
    """The part of an object's metadata that Afina reads from a file."""

    model_config = ConfigDict(extra="ignore")

    name: DnsLabel
    """Name of the object: at most 63 characters, because it becomes a label of its children."""
    namespace: DnsLabel = "default"
    """Namespace of the object."""
    uid: str = ""
    """Set by the API server."""


def as_json(model: Model) -> dict[str, Any]:
    """The model as the JSON object that Kubernetes knows, without what is unset."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def drivers_part(status: Status) -> dict[str, Any]:
    """What the driver writes of a status as JSON: all but the conditions, which are the operator's."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"conditions"})


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise a ValueError that names the first name that is there twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"names must be unique: {name!r} is there twice")
