"""The pipeline: one state, kept as JSON, makes the features in training and in serving."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from afina_models.arrays import Array
from afina_models.columns import Columns
from afina_models.scaling import Scaling
from afina_models.transformers import KINDS, Transformer

View = Literal["Plain", "Scaled"]
"""Plain: with NaN, for trees. Scaled: complete and standardised."""


@dataclass(frozen=True)
class Pipeline:
    """From columns to a matrix of features in a fixed order."""

    types: Mapping[str, str]
    """The columns that it reads, with their types."""
    transformers: tuple[Transformer, ...]
    scaling: Scaling
    dtype: str = "float32"
    """Of the plain features."""

    @property
    def names(self) -> list[str]:
        """Names of the plain features."""
        return [name for transformer in self.transformers for name in transformer.names]

    def transform(self, columns: Columns, view: View) -> Array:
        """The features of any rows, in one of the views."""
        plain = joined([known.transform(columns[known.column]) for known in self.transformers], columns, self.dtype)
        return self.view(plain, view)

    def view(self, plain: Array, view: View) -> Array:
        """Plain features in one of the views."""
        return plain if view == "Plain" else self.scaling.transform(plain)

    def save(self, file: Path) -> None:
        """Write the state."""
        kinds = [{"kind": type(known).__name__, **asdict(known)} for known in self.transformers]  # type: ignore[call-overload]
        state = {"types": dict(self.types), "transformers": kinds, "scaling": asdict(self.scaling)}
        state["dtype"] = self.dtype
        file.write_text(json.dumps(state))

    @classmethod
    def load(cls, file: Path) -> "Pipeline":
        """Read the state."""
        state = json.loads(file.read_text())
        transformers = tuple(map(_restored, state["transformers"]))
        # Models that were exported before it was written have the default.
        return cls(state["types"], transformers, Scaling(**state["scaling"]), state.get("dtype", cls.dtype))


def joined(parts: Sequence[Array], columns: Columns, dtype: str = Pipeline.dtype) -> Array:
    """The features of all transformers, side by side."""
    rows = len(next(iter(columns.values()), ()))
    return np.concatenate(parts, axis=1).astype(dtype, copy=False) if parts else np.zeros((rows, 0), dtype)


def _restored(state: dict[str, Any]) -> Transformer:
    kind = KINDS[state["kind"]]
    transformer: Transformer = kind(**{name: value for name, value in state.items() if name != "kind"})
    return transformer
