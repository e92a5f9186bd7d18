"""From ready to ended."""

from dataclasses import dataclass


@dataclass
class Lifecycle:
    """Where the server is in its life."""

    draining: bool = False
    """It was told to end: it answers what comes, and says that it is not ready."""
