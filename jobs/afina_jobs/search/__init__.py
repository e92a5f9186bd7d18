"""From the spec's words to Optuna's: the space, the sampler, the pruner."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afina_jobs.search.hybrid.sampler import HybridSampler

__all__ = ["HybridSampler"]


def __getattr__(name: str) -> type["HybridSampler"]:
    """Import SciPy, which takes as long as all else in a driver, only for who asks for the sampler that needs it."""
    if name != "HybridSampler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from afina_jobs.search.hybrid.sampler import HybridSampler

    return HybridSampler
