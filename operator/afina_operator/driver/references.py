"""Objects that a spec names."""

from pydantic import ValidationError

from afina_api.base import LocalReference
from afina_operator.resources import Json, Ref, Resource, dig


def named(obj: Json, resource: Resource, *path: str) -> list[tuple[str, Ref]]:
    """The field and the object that it names; nothing where it names none.

    The spec may have gone around the schema, and the name becomes a part of a URL.
    """
    try:
        reference = LocalReference.model_validate({"name": dig(obj, "spec", *path)})
    except ValidationError:
        return []
    return [(".".join(("spec", *path)), Ref(resource, obj["metadata"]["namespace"], reference.name))]
