"""Kueue: what carries the label of a queue is made suspended, and Kueue lets it run when there is room.

We never let it run ourselves. To suspend it on the user's behalf would not last, since Kueue has admitted it: it is
deleted instead, which gives its quota back, and made again for the queue when the user resumes.
"""

from afina_operator.resources import Json, dig

QUEUE = "kueue.x-k8s.io/queue-name"
"""Label that names the queue, on the user's object and on what is made for it."""


def queue(obj: Json) -> str:
    """The queue that the object is for; empty for none."""
    found = dig(obj, "metadata", "labels", QUEUE)
    return found if isinstance(found, str) else ""
