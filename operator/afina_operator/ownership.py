"""Whose an object is: ours, a predecessor's that is still being collected, or somebody else's."""

from enum import Enum

from afina_operator.resources import Json, dig


class Owner(Enum):
    """What an object's controller reference says."""

    US = "us"
    PREDECESSOR = "a deleted object of the same name"
    OTHERS = "somebody else"


def reference(parent: Json) -> Json:
    """The owner reference that makes the parent the controller of a child."""
    return {
        "apiVersion": parent["apiVersion"],
        "kind": parent["kind"],
        "name": parent["metadata"]["name"],
        "uid": parent["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller(obj: Json) -> Json:
    """The owner reference that is marked as controller; empty if there is none."""
    references = dig(obj, "metadata", "ownerReferences")
    entries = references if isinstance(references, list) else []
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("controller") is True), {})


def owner(child: Json, parent: Json) -> Owner:
    """Whose the child is, seen from that parent."""
    found = controller(child)
    if found.get("uid") == parent["metadata"]["uid"]:
        return Owner.US
    wanted = (parent["apiVersion"], parent["kind"], parent["metadata"]["name"])
    same_name = (found.get("apiVersion"), found.get("kind"), found.get("name")) == wanted
    return Owner.PREDECESSOR if same_name else Owner.OTHERS
